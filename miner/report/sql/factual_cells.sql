-- One cell of a patient's table: is a chain factual by the first judge, by the second, and how often so.
with named as (select chain_id, concat_ws(' ', judge, judge_version) as judge, factuality from scores)
select patient, (a.factuality >= 1)::integer as first, (b.factuality >= 1)::integer as second, count(*) as cells
from named as a join named as b using (chain_id) join report_chains using (chain_id)
where a.judge = $first and b.judge = $second group by all
