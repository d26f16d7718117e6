-- The fingerprints of chains as they are.
select chain_id, fingerprint_of(
    questions.text, questions.answer, chains.answer, steps, evidence, reports.text, prior_reports.text) as fingerprint
from (select unnest($chains) as chain_id) join chains using (chain_id) join questions using (question_id)
join reports on reports.study_id = chains.study_id
left join reports as prior_reports on prior_reports.study_id = questions.prior_study_id
