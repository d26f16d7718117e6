-- How long the log of a study was, and how it ended, when it was last taken in.
select (settings->>'events')::bigint as events, settings->>'head' as head
from runs where status = 'done' and settings->>'review_study' = $review_study and (settings->>'events')::bigint > 0
order by started_at desc limit 1
