-- Radiologists' reviews by task: how many, by how many people, and their means.
select task, count(*) as reviews, count(distinct chain_id) as chains, count(distinct reviewer) as reviewers,
       avg(reviews.factuality) as factuality, avg(validity) as validity,
       avg(reviews.completeness) as completeness,
       count(*) filter (where least(reviews.factuality, validity, reviews.completeness) < 5) as "below 5"
from reviews join report_chains using (chain_id) group by task order by task
