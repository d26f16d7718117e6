-- By engine: chains that nearly repeat another of their job, and all chains, over the newest of each question.
select concat_ws(' ', engine, engine_version, model) as engine,
       count(*) filter (where group_id <> chain_id) as repeated, count(*) as chains
from newest_chains left join near_duplicates using (chain_id) group by 1 order by 1
