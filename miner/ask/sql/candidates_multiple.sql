-- The studies that a question about a set of findings can be asked of, in random order.
select study_id, list(finding order by finding) filter (where value = 1) as findings
from picked where corpus = $corpus
  and study_id in (select study_id from negatives group by study_id having count(*) >= 3)
group by study_id having len(findings) between 1 and $largest
order by md5_number_lower('multiple' || min(draw))
