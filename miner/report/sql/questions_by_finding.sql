-- How many questions of a corpus have each finding in their answer, by task.
-- Of a binary question both answers are asked; its positives are those answered with yes.
select task, finding, count(*) as questions
from (select task, unnest(answer_findings) as finding from questions where corpus = ?
      union all select task, unnest(findings) from questions where corpus = ? and task = 'temporal')
group by all
