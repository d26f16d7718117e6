-- The judge's verdicts and their reasons: how many findings of how many chains.
select replace(verdict, '_', ' ') as verdict, reason, count(*) as findings, count(distinct chain_id) as chains
from report_verdicts group by all order by findings desc, verdict, reason
