-- What was called of language models, and what it cost.
select engine, model, stage, count(*) as calls, count(*) filter (where cache_hit) as "from cache",
       count(error) as failed, sum(prompt_tokens)::bigint as "prompt tokens",
       sum(cached_tokens)::bigint as "of them cached", sum(completion_tokens)::bigint as "completion tokens",
       sum(reasoning_tokens)::bigint as "of them thoughts", sum(cost_usd) as USD,
       count(*) filter (where cost_usd is null) as "cost unknown",
       round(avg(latency_s) filter (where not cache_hit), 2) as "mean seconds"
from calls group by all order by all
