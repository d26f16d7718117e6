-- Make `report_cases`: each prediction by its latest judge, and the kind of gallery it belongs to.
-- A prediction for a question that the store does not know is not known to be public either.
create or replace temporary table report_cases as
with latest as (
    select prediction_scores.* from prediction_scores left join runs using (run_id)
    where factuality is not null and correct is not null and n_pred > 0
    qualify row_number() over (
        partition by prediction_id order by runs.started_at desc, judge, judge_version desc) = 1)
select latest.*, questions.study_id, questions.text as question, questions.answer as expected,
       questions.findings as asked,
       coalesce(studies.licence = 'public' and coalesce(prior.licence, 'public') = 'public', false) as is_public,
       case when correct < 1 and latest.factuality >= $good then $wrong_answer
            when correct >= 1 and latest.factuality < $wrong then $right_answer end as kind
from latest left join questions using (question_id)
left join studies on studies.study_id = questions.study_id
left join studies as prior on prior.study_id = questions.prior_study_id
