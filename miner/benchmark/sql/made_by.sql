-- Who labeled, reasoned and judged, and how many samples each had a part in.
with used as (
    select mode, labeler, chain_id from bench_order join questions using (question_id)
    left join bench_chains on bench_chains.question_id = questions.question_id and mode = 'reasoning'),
told as (
    select 'labeler' as what, labeler as who, count(*) as samples from used
    where mode = 'answer_only' group by 2
    union all
    select 'engine', concat_ws(' ', engine, engine_version, model), count(*)
    from used join chains using (chain_id) group by 2
    union all
    select 'judge', judge || ' ' || judge_version, count(*) from used join latest_scores using (chain_id)
    group by 2)
select * from told order by all
