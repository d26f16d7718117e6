-- Make `new_temporal`: the temporal questions that the store does not hold yet.
create or replace temporary table new_temporal as
select substr(md5(concat_ws('|', 'question', study_id, prior_study_id, task, text, answer, labeler)), 1, 20)
           as question_id, *
from asked_temporal where question_id not in (select question_id from questions)
