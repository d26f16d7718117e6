-- The chains of the temporary table `batch`, with their evidence in words, their reports and licences.
select chain_id, question_id, chains.study_id, chains.text, reports.text as report, studies.licence,
       list_transform(evidence, lambda e: e.statement) as statements
from batch join chains using (chain_id) join reports using (study_id) join studies using (study_id)
order by place
