-- Every reader's reading of a chain as it is today, in each round, with what the chain is about.
select chain_id, reviewer, coalesce(round, 'first') as round, chains.task, concat_ws(' ', engine, model) as engine,
       coalesce(studies.corpus || '/' || studies.patient_id, chains.study_id) as patient,
       read.factuality, read.validity, read.completeness, coalesce(cannot_judge, false) as cannot_judge, seconds,
       read.steps as marks
from fresh_reviews as read join chains using (chain_id) left join studies on studies.study_id = chains.study_id
order by chain_id, reviewer, reviewed_at
