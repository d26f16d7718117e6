-- Make `leak_told`: questions whose words name the answer.
create or replace temporary table leak_told as
select question_id
from (select question_id, task, answer_findings, lower(split_part(text, ' Options:', 1)) as stem from questions)
where task in ('single', 'multiple', 'anomaly')
  and len(list_filter(answer_findings, lambda f: contains(stem, lower(f)))) > 0
