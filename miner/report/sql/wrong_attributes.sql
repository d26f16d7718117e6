-- In what findings are wrong, by attribute: how many findings of how many chains.
select coalesce(error, 'not said') as error, count(*) as findings, count(distinct chain_id) as chains
from report_verdicts where factual = false group by all order by findings desc, error
