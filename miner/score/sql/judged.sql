-- Make `judged`: the latest scores of every chain, and whether it is kept.
-- The scores are taken once: the view behind them is a window over all scores.
create or replace temporary table judged as
select chain_id, judge, judge_version, factuality, completeness, effectiveness, radrscore,
       factuality >= $least and chain_id not in (
           select chain_id from counted_reviews where least(factuality, validity, completeness) < $least_review)
       and chain_id not in (select chain_id from contradicted) as is_kept
from latest_scores
