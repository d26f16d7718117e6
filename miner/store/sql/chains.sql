-- Questions and chains by corpus, task, engine and judge.
select corpus, questions.task, count(distinct question_id) as questions,
       coalesce(engine || ' ' || engine_version, '(not mined)') as engine,
       count(chain_id) as chains, count(factuality) as scored,
       count(*) filter (where factuality >= 1) as factual, avg(factuality) as "mean factuality",
       judge || ' ' || judge_version as judge
from questions left join newest_chains using (question_id) left join latest_scores using (chain_id)
group by all order by corpus, questions.task, engine, judge
