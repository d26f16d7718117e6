-- The distinct reports of the temporary table `batch`, each with the texts of all newest chains about its words.
-- Reports repeat each other: what is asked about one does not depend on how chains fall into batches.
select reports.text as report, list(chains.text order by chains.chain_id) as texts,
       min(chains.question_id) as question_id,
       if(bool_and(coalesce(licence, '') = 'public'), 'public', 'credentialed') as licence
from newest_chains as chains join reports using (study_id) join studies using (study_id)
where reports.text in (
    select asked.text from batch join chains using (chain_id) join reports as asked using (study_id))
group by reports.text order by question_id
