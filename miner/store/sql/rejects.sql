-- What was rejected, by stage, corpus and reason.
select stage, corpus, reason, count(*) as rejects from rejects group by all order by stage, rejects desc
