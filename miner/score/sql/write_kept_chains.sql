-- Write the chains that are kept, with question, evidence, scores and licence, as JSON Lines.
copy (
    select chain_id, question_id, chains.study_id, questions.corpus, questions.split, licence, chains.task,
           questions.text as question, options, questions.answer, answer_findings, plan, evidence, steps,
           chains.text as reasoning, engine, engine_version, model, judge, judge_version,
           factuality, completeness, effectiveness, radrscore
    from query_table($chains) as chains join judged using (chain_id) join questions using (question_id)
    join studies on studies.study_id = chains.study_id
    where is_kept
    order by chains.study_id, chains.task, chain_id
) to $target (format json)
