-- What one judge's wrong findings are wrong in, over the newest chains.
select coalesce(error, 'not said') as error, count(*) as findings, count(distinct chain_id) as chains
from findings join newest_chains using (chain_id)
where judge = ? and judge_version = ? and origin = 'chain' and factual = false
group by all order by findings desc, error
