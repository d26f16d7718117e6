-- Rows that were kept without a cell.
insert into gaps by name
select stage, reject_key as gap_key, message, settings_hash, $corpus as corpus, $run as run_id
from incoming_rejects where reason = 'gap'
