-- How many chains are factual enough and reviewed as too poor on an axis.
select count(*) from query_table($chains) as chains join judged using (chain_id)
where judged.factuality >= $least and chain_id in (
    select chain_id from counted_reviews where least(factuality, validity, completeness) < $least_review)
