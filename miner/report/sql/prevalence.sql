-- How often one labeler gives each value of each finding in a corpus.
select finding, count(*) filter (where value = 1) as positive, count(*) filter (where value = -1) as uncertain,
       count(*) filter (where value = 0) as negative, count(*) filter (where value is null) as "not mentioned",
       count(*) filter (where value = 1) / count(*) as prevalence
from labels join studies using (study_id) where corpus = ? and labeler = ?
group by finding order by positive desc, finding
