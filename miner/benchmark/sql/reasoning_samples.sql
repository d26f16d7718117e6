-- Samples with reasoning and reports, in their order.
-- Only the rows of this file are joined: whole tables of reports and chains would fill the memory twice over.
with wanted as materialized (
    select bench_order.question_id, chain_id, study_id, prior_study_id
    from bench_order join bench_chains using (question_id) join questions using (question_id)
    where bench_order.split = $split and bench_order.mode = $mode and place >= $first and place < $end),
reasons as (
    select chain_id, question_id, steps, plan, evidence, text, engine, engine_version, model
    from chains where chain_id in (select chain_id from wanted)),
judged as (select * from latest_scores where chain_id in (select chain_id from wanted)),
told as (select study_id, text as report from reports where study_id in (select study_id from wanted)),
told_before as (
    select study_id, text as prior_report from reports where study_id in (select prior_study_id from wanted))
select samples.*, chain_id, reasons.text as reasoning, list_transform(steps, lambda s: s.text) as steps, plan,
       list_transform(evidence, lambda e: {'finding': e.finding, 'presence': e.presence, 'kind': e.kind,
           'statement': e.statement, 'quotes': list_transform(e.quotes, lambda q: q.text)}) as evidence,
       report, prior_report, engine || ' ' || engine_version as engine, model,
       judge || ' ' || judge_version as judge, factuality, radrscore
from bench_rows($split, $mode, $first, $end, $max_images) as samples
join bench_chains using (question_id) join reasons using (chain_id, question_id) join judged using (chain_id)
left join told on told.study_id = samples.study_id
left join told_before on told_before.study_id = samples.prior_study_id
order by place
