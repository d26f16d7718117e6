-- The newest chains by every engine and model, one a question: first one of each study, and of these every task and
-- engine in turn, by an order that the seed gives.
with able as (
    select chain_id, question_id, study_id, task, engine, coalesce(model, '') as model,
           md5(concat_ws('|', 'review', $seed::varchar, chain_id)) as draw
    from newest_chains
    where chain_id not in (select chain_id from drawn_already) and (len($tasks) = 0 or list_contains($tasks, task))
      and study_id in (select study_id from reports)
      and (not $factual or chain_id in (select chain_id from latest_scores where factuality >= 1))
    qualify row_number() over (partition by question_id order by draw) = 1),
placed as (
    select *, row_number() over (partition by study_id order by draw) as of_study from able)
select chain_id from placed
order by of_study, row_number() over (partition by of_study, task, engine, model order by draw), draw limit $most
