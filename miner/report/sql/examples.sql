-- The chosen examples, with their questions, reports and scores.
select example_no, chains.chain_id, chains.question_id, chains.study_id, report_chains.corpus, chains.task,
       report_chains.engine, report_chains.judge, is_public, asked, questions.text as question,
       questions.answer as expected, chains.answer, chains.text, plan, evidence, reports.text as report,
       factuality, completeness, effectiveness, radrscore
from report_examples join report_chains using (chain_id) join chains using (chain_id)
join questions on questions.question_id = chains.question_id
left join reports on reports.study_id = chains.study_id
order by example_no
