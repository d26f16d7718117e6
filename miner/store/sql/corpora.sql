-- The corpora: how many studies, patients, reports and images, and studies by split.
select corpus, any_value(licence) as licence, count(*) as studies, count(distinct patient_id) as patients,
       count(reports.study_id) as reports, sum(image_count)::bigint as images,
       count(*) filter (where split = 'train') as train, count(*) filter (where split = 'validate') as validate,
       count(*) filter (where split = 'test') as test
from studies left join reports using (study_id)
left join (select study_id, count(*) as image_count from images group by study_id) using (study_id)
group by corpus order by corpus
