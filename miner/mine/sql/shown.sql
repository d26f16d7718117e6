-- A row per chain of a question, or one without a chain; everything that belongs to it is nested.
with wanted as (
    select question_id, chain_id from questions left join chains using (question_id)
    where question_id = $id or chain_id = $id),
of_chain as (
    select chain_id, list({'judge': judge, 'judge_version': judge_version, 'finding_no': finding_no,
                           'observation': observation, 'status': status, 'verdict': verdict, 'reason': reason,
                           'factual': factual, 'evidence': evidence}
                          order by judge, judge_version, finding_no) as verdicts
    from findings where origin = 'chain' and chain_id in (select chain_id from wanted) group by chain_id),
of_judge as (
    select chain_id, list({'judge': judge, 'judge_version': judge_version, 'factuality': factuality,
                           'completeness': completeness, 'effectiveness': effectiveness, 'radrscore': radrscore}
                          order by judge, judge_version) as scores
    from scores where chain_id in (select chain_id from wanted) group by chain_id),
of_reject as (
    select reject_key as question_id, list({'stage': stage, 'reason': reason, 'message': message}
                                           order by stage, reason) as rejects
    from rejects where reject_key in (select question_id from wanted) group by reject_key),
of_candidate as (
    select question_id, list({'candidate_no': candidate_no, 'repairs': repairs, 'kept': kept, 'why': why,
                              'factuality': factuality, 'completeness': completeness, 'effectiveness': effectiveness,
                              'judge': judge, 'judge_version': judge_version, 'objections': objections,
                              'reason': reason, 'reasoning': text, 'answer': answer}
                             order by settings_hash, candidate_no) as candidates
    from candidates where question_id in (select question_id from wanted) group by question_id),
of_call as (
    select question_id, count(*) as calls, sum(cost_usd) as cost_usd
    from calls where question_id in (select question_id from wanted) group by question_id)
select questions.question_id, questions.study_id, questions.corpus, questions.split, questions.task,
       questions.text as question, options, questions.answer as expected, answer_findings, chains.chain_id, engine,
       engine_version, model, prompts, plan, chains.evidence, steps, chains.text as reasoning, chains.answer,
       reports.text as report, scores, verdicts, candidates, rejects, coalesce(calls, 0) as calls, cost_usd
from wanted join questions using (question_id) left join chains on chains.chain_id = wanted.chain_id
left join reports on reports.study_id = questions.study_id
left join of_chain on of_chain.chain_id = wanted.chain_id
left join of_judge on of_judge.chain_id = wanted.chain_id
left join of_reject on of_reject.question_id = wanted.question_id
left join of_candidate on of_candidate.question_id = wanted.question_id
left join of_call on of_call.question_id = wanted.question_id
order by engine, chains.chain_id
