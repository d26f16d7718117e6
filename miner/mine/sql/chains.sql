-- The chains of a question, or one chain, with question, true answer and report.
select chains.*, questions.text as question, questions.answer as expected, reports.text as report
from chains join questions using (question_id) join reports on reports.study_id = chains.study_id
where chain_id = $id or question_id = $id order by engine, chain_id
