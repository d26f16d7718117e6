-- The reports of studies, and the reasoning of chains.
select study_id, reports.text as report, chain_id, chains.text as reasoning
from reports left join (select * from chains where list_contains($chains, chain_id)) as chains using (study_id)
where list_contains($studies, study_id)
