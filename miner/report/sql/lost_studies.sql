-- Why studies have no question ('' where they have one), and how many.
select case when asked.study_id is not null then '' when reports.study_id is null then 'no report and no question'
            else 'no question asked: labels or balance gave none' end as reason, count(*) as studies
from studies left join (select distinct study_id from questions) as asked using (study_id)
left join reports using (study_id) group by all
