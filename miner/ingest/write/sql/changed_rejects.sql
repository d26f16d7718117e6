-- How many rows were rejected, or kept with a gap, now and not the last time, or then and not now.
with standing as (
    select reject_key, reason, message from rejects where stage = 'ingest' and corpus = $corpus
    union all
    select gap_key, 'gap', message from gaps where stage = 'ingest' and corpus = $corpus
),
incoming as (select reject_key, reason, message from incoming_rejects)
select count(*) from ((from standing except all from incoming) union all (from incoming except all from standing))
