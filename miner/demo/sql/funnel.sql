-- How far the questions of each task came, and how good their chains are.
select questions.task, count(distinct questions.study_id) as studies, count(*) as questions,
       count(chain_id) as chains, count(*) filter (where factuality >= 1) as factual, avg(factuality) as factuality,
       avg(completeness) as completeness, avg(effectiveness) as effectiveness, avg(radrscore) as "RadRScore"
from questions left join chains using (question_id) left join latest_scores using (chain_id)
group by questions.task order by questions.task
