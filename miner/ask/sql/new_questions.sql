-- Make `new`: the questions in `asked` that the store does not hold yet.
create or replace temporary table new as
select substr(md5(concat_ws('|', 'question', study_id, task, text, answer, labeler)), 1, 20) as question_id,
       asked.*, origin.* exclude (study_id)
from asked join origins as origin using (study_id)
where question_id not in (select question_id from questions)
