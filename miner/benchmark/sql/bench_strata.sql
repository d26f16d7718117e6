-- Make `bench_strata`: the usable questions, each with the stratum that it is drawn from.
-- Binary by finding and answer, temporal by finding and progression, single by its answer, sets by the rarest finding
-- in the answer, so that rare findings are not crowded out by their companions.
create or replace temporary table bench_strata as
with usable as (select * from bench_candidates where reason is null),
frequency as (
    select corpus, split, task, finding, count(*) as questions
    from (select corpus, split, task, unnest(answer_findings) as finding from usable
          where task in ('multiple', 'anomaly')) group by all),
rarest as (
    select question_id, arg_min(finding, (questions, finding)) as finding
    from (select question_id, corpus, split, task, unnest(answer_findings) as finding from usable
          where task in ('multiple', 'anomaly'))
    join frequency using (corpus, split, task, finding) group by question_id)
select question_id, corpus, split, task, chain_id is not null as has_chain, draw,
       case when task in ('binary', 'temporal') then asked when task = 'single' then answer_findings[1]
            else coalesce(finding, $nothing) end as finding,
       if(task in ('binary', 'temporal'), said, '') as said
from usable left join rarest using (question_id)
