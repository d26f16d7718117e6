-- Give each question's newest chain as `current_chains`, and let `factual_chains` be about those alone.
--
-- `newest_chains` has the newest chain of each question by engine and model: one that a later run of the same engine
-- found impossible to mine is not among them. `all_factual_chains` is what `factual_chains` was before.

create view newest_chains as
with rejected as (
    select reject_key as question_id, runs.settings->>'engine' as engine, max(started_at) as rejected_at
    from rejects join runs using (run_id)
    where stage = 'mine' and reason <> 'model_call_failed' group by all),
dated as (
    select chain_id, question_id, chains.engine, model, started_at
    from chains left join runs using (run_id) left join rejected using (question_id, engine)
    where rejected_at is null or rejected_at <= started_at),
newest as (
    select chain_id from dated
    qualify row_number() over (
        partition by question_id, engine, model order by started_at desc nulls last, chain_id) = 1)
select chains.* from chains semi join newest using (chain_id);

create view current_chains as
select newest_chains.* from newest_chains left join runs using (run_id)
qualify row_number() over (
    partition by question_id order by started_at desc nulls last, chain_id) = 1;

drop view factual_chains;

create view factual_chains as
select chains.* exclude (run_id), questions.corpus, questions.split, questions.text as question,
       judge, judge_version, factuality, completeness, effectiveness, radrscore
from current_chains as chains
join latest_scores using (chain_id)
join questions using (question_id)
where factuality >= 1
  and chain_id not in (
      select chain_id from reviews where least(factuality, validity, completeness) < 5);

create view all_factual_chains as
select chains.* exclude (run_id), questions.corpus, questions.split, questions.text as question,
       judge, judge_version, factuality, completeness, effectiveness, radrscore
from chains
join latest_scores using (chain_id)
join questions using (question_id)
where factuality >= 1
  and chain_id not in (
      select chain_id from reviews where least(factuality, validity, completeness) < 5);

-- How an answer was read decides whether it counts as right: scores know by which version of that.
alter table prediction_scores add column answers_version varchar;
