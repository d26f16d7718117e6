-- How many chains of each task are kept, and how many of these are credentialed.
select chains.task, count(*) filter (where is_kept) as kept, count(*) as chains,
       count(*) filter (where is_kept is null) as unscored,
       count(*) filter (where is_kept and licence = 'credentialed') as credentialed
from query_table($chains) as chains left join judged using (chain_id) left join studies using (study_id)
group by chains.task order by chains.task
