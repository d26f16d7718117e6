-- Make `bench_candidates`: every question, its usable chain, and the reason why it may not be used, if any.
create or replace temporary table bench_candidates as
select question_id, questions.study_id, questions.corpus, questions.split, task, chain_id,
       md5_number_lower($seed || '|' || question_id) as draw,
       coalesce(list_filter(options, lambda o: o.letter = questions.answer)[1].findings[1], questions.answer)
           as said,
       findings[1] as asked, answer_findings,
       case when questions.split is null then 'no_split'
            when questions.split is distinct from studies.split then 'split_changed'
            when not list_contains($splits, questions.split) then 'split_not_wanted'
            when patient_id in (select patient_id from leak_patients) then 'patient_in_two_splits'
            when questions.study_id in (select study_id from leak_studies) then 'study_in_two_splits'
            when questions.study_id in (select study_id from leak_shared)
              or prior_study_id in (select study_id from leak_shared) then 'report_shared_with_another_split'
            when $needs_image and (questions.study_id not in (select study_id from bench_images)
              or (prior_study_id is not null and prior_study_id not in (select study_id from bench_images)))
              then 'no_image'
            when question_id in (select question_id from leak_copied) then 'report_in_question'
            when question_id in (select question_id from leak_told) then 'answer_in_question'
            when $drops_contradicted and question_id in (
                select reject_key from rejects
                where stage = 'mine' and reason = $contradicted)
              then 'report_contradicts_label'
       end as reason
from questions join studies on studies.study_id = questions.study_id
left join bench_chains using (question_id)
where $corpora is null or list_contains($corpora, questions.corpus)
