-- Progressions by corpus and finding.
select progressions.corpus, finding, count(*) filter (where progression = 'worsening') as worsening,
       count(*) filter (where progression = 'stable') as stable,
       count(*) filter (where progression = 'improving') as improving,
       count(*) filter (where quality = 'disagreement') as disagreement,
       count(*) filter (where later.study_id <> earlier.study_id) as "both studies here"
from progressions left join studies as later using (study_id)
left join studies as earlier on earlier.study_id = prior_study_id
group by all order by all
