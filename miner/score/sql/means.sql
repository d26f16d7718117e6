-- The means of one judge's scores by task, over the newest chains.
select task, count(*), avg(factuality), avg(completeness), avg(effectiveness), avg(radrscore),
       avg(weighted)
from scores join newest_chains using (chain_id) where judge = ? and judge_version = ?
group by task order by task
