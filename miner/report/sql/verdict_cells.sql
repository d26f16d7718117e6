-- One cell of a patient's table: the first judge's verdict on a finding, the second's, and how often so.
with named as (
    select chain_id, concat_ws(' ', judge, judge_version) as judge, observation, status,
           any_value(verdict) as verdict
    from findings where origin = 'chain' group by all having count(distinct verdict) = 1)
select patient, list_position($verdicts, a.verdict) - 1 as first, list_position($verdicts, b.verdict) - 1 as second,
       count(*) as cells
from named as a join named as b using (chain_id, observation, status) join report_chains using (chain_id)
where a.judge = $first and b.judge = $second group by all
