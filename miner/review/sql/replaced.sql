-- Delete the rows that `incoming_reviews` takes the place of: the same reader's, of the same item, round and study.
delete from $table where (coalesce(review_study, ''), coalesce(item_id, chain_id), reviewer, coalesce(round, 'first')) in (
    select (coalesce(review_study, ''), coalesce(item_id, chain_id), reviewer, coalesce(round, 'first'))
    from incoming_reviews)
