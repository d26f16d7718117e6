-- Rows of the corpora that no study was made of, by reason.
select corpus, replace(reason, '_', ' ') as reason, count(*) as rows from rejects where stage = 'ingest'
group by all order by rows desc, corpus, reason
