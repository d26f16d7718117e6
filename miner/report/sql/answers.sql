-- How many questions have which answer, by corpus and task.
select corpus, task, answer, count(*) as questions from questions where task in ('binary', 'temporal', 'single',
'multiple') group by all order by all
