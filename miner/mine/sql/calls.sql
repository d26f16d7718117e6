-- Every attempt at a model for a question, with its cost.
select stage, attempt, model, prompt_name || ' v' || prompt_version as prompt,
       if(cache_hit, 'cache', if(coalesce(batch, false), 'batch', 'live')) as via,
       prompt_tokens as "prompt tokens", completion_tokens as "reply tokens", cost_usd as USD,
       round(latency_s, 2) as seconds, error
from calls where question_id = $id order by called_at, call_id
