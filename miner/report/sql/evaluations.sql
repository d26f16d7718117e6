-- The evaluations in the store, by benchmark, split and judge, the latest first.
select benchmark, split, concat_ws(' ', judge, judge_version) as judge, max(started_at) as evaluated
from evaluations left join runs using (run_id) group by all order by evaluated desc, benchmark, split, judge
