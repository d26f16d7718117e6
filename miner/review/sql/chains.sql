-- What a reader of the chains in `drawn` reads, and whose it is.
select drawn.place, chains.chain_id, chains.study_id, studies.patient_id, studies.corpus,
       case when 'credentialed' in (coalesce(studies.licence, 'credentialed'), prior_studies.licence)
            then 'credentialed' else studies.licence end as licence,
       chains.task, questions.text as question, questions.options,
       fingerprint_of(
           questions.text, questions.answer, chains.answer, steps, evidence, reports.text, prior_reports.text)
           as fingerprint,
       questions.answer as expected, chains.answer, chains.steps, chains.evidence, questions.prior_study_id
from drawn join chains using (chain_id) join questions using (question_id)
join reports on reports.study_id = chains.study_id join studies on studies.study_id = chains.study_id
left join reports as prior_reports on prior_reports.study_id = questions.prior_study_id
left join studies as prior_studies on prior_studies.study_id = prior_reports.study_id
order by drawn.place
