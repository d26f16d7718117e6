-- Ordinary chains to read, from every task in turn, by an order that the seed gives.
select 'chain' as kind, study_id, corpus, licence, task, question_id, chain_id, findings, answer, engine, factuality
from (
    select chains.study_id, questions.corpus, studies.licence, chains.task, question_id, chain_id, findings,
           questions.answer, engine, factuality, md5(concat_ws('|', 'audit', $seed::varchar, chain_id)) as draw
    from current_chains as chains join questions using (question_id)
    join studies on studies.study_id = chains.study_id left join latest_scores using (chain_id))
order by row_number() over (partition by task order by draw), draw limit $most
