-- What was called of language models, and what it cost.
select engine, model, stage, count(*) as calls, count(*) filter (where cache_hit) as "from cache",
       count(error) as failed, sum(prompt_tokens)::bigint as "prompt tokens",
       sum(completion_tokens)::bigint as "reply tokens", sum(cost_usd) as USD,
       count(*) filter (where cost_usd is null) as "cost unknown",
       avg(latency_s) filter (where not cache_hit) as "mean seconds"
from calls group by all order by all
