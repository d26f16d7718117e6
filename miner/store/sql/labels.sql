-- Labels by corpus, labeler and finding.
select corpus, labeler || ' ' || coalesce(labeler_version, '') as labeler, finding,
       count(*) filter (where value = 1) as positive, count(*) filter (where value = 0) as negative,
       count(*) filter (where value = -1) as uncertain,
       count(*) filter (where value is null) as "not mentioned",
       count(*) filter (where value = 1) / count(*) as prevalence
from labels join studies using (study_id) group by all order by corpus, labeler, finding
