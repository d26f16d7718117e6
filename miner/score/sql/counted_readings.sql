-- The reviews that count for a chain, with what it is about.
select chain_id, reviewer, chains.task, concat_ws(' ', engine, model) as engine,
       coalesce(studies.corpus || '/' || studies.patient_id, chains.study_id) as patient,
       read.factuality, read.validity, read.completeness
from counted_reviews as read join chains using (chain_id) left join studies on studies.study_id = chains.study_id
order by chain_id, reviewer
