-- What each job of mining that asked a server gave and cost: questions, chains, how many are factual, and what was paid,
-- a judge that chose among candidates included. Costs that are not known are not in the sum.
with jobs as (
    select run_id, settings->>'settings_hash' as settings_hash, settings->>'model' as model,
           settings->>'calls' as calls, started_at
    from runs where command = 'mine' and settings->>'engine' = 'llm'),
paid as (
    select coalesce(jobs.settings_hash, calls.settings_hash) as settings_hash, sum(cost_usd) as usd,
           count(*) filter (where cost_usd is null) as unknown
    from calls left join jobs using (run_id) where not cache_hit group by all),
told as (
    select settings_hash, count(*) as chains, count(factuality) as scored,
           count(*) filter (where factuality >= 1) as factual
    from chains left join latest_scores using (chain_id) group by all),
lost as (select settings_hash, count(*) as rejects from rejects where stage = 'mine' group by all),
job as (
    select settings_hash, any_value(model) as model, any_value(calls) as calls, min(started_at) as began
    from jobs group by all)
select model, job.calls::integer as calls, coalesce(chains, 0) + coalesce(rejects, 0) as questions,
       coalesce(chains, 0) as chains, coalesce(scored, 0) as scored, coalesce(factual, 0) as factual,
       usd, coalesce(unknown, 0) as unknown
from job left join told using (settings_hash) left join lost using (settings_hash) left join paid using (settings_hash)
where coalesce(chains, 0) + coalesce(rejects, 0) > 0
order by began, model, job.calls
