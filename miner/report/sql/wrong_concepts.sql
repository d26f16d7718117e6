-- The concepts that chains get wrong most often, and the verdicts on them.
select replace(concept, '_', ' ') as concept, count(*) as findings,
       count(*) filter (where factual = false) as wrong, histogram(verdict) as verdicts
from report_verdicts group by concept having wrong > 0 order by wrong desc, findings desc, concept limit 15
