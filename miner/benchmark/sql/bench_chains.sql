-- Make `bench_chains`: one usable chain a question.
-- It is the newest one, or with all settings the best one, by RadRScore and then by id.
create or replace temporary table bench_chains as
select question_id, chain_id
from query_table($chains) join latest_scores using (chain_id)
where factuality >= $least and ($engine is null or engine = $engine)
  and chain_id not in (
      select chain_id from counted_reviews where least(factuality, validity, completeness) < $least_review)
qualify row_number() over (partition by question_id order by radrscore desc, chain_id) = 1
