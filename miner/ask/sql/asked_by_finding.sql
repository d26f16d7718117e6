-- How many questions of one task and corpus are about each finding.
-- A binary one is about what it asks, others are about the findings in their answer.
select finding, count(*)
from (select unnest(if(task = 'binary', findings, answer_findings)) as finding
      from asked semi join (select study_id from studies where corpus = $corpus) using (study_id) where task = $task)
group by finding order by finding
