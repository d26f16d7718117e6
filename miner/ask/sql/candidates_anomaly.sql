-- The studies that can be asked about openly, in random order.
-- A study with an uncertain label has no sure answer to "which findings", and neither has one whose labeler looked for
-- some of the findings only (SIIM: one), nor one whose report was not understood.
select study_id, list(finding order by finding) filter (where value = 1) as findings
from picked where corpus = $corpus and study_id not in (select study_id from not_understood) group by study_id
having len(findings) > 0 and count(*) filter (where value = -1) = 0 and count(*) = $all
order by md5_number_lower('anomaly' || min(draw))
