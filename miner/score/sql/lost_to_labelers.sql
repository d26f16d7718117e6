-- How many chains that are factual enough are left out because a labeler contradicts their evidence.
select count(*) from query_table($chains) as chains semi join contradicted using (chain_id)
join judged using (chain_id) where factuality >= $least
