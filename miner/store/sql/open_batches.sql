-- Batches whose replies were not collected yet.
select batch_id, model, requests, status, answered, failed, strftime(submitted_at, '%Y-%m-%d %H:%M') as sent
from batches where collected_at is null order by submitted_at
