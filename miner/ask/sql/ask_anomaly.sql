-- Ask openly which findings there are.
insert into asked by name
with known as (
    select study_id, finding, 1 as value from picked
    where value = 1 and study_id in (select study_id from chosen)
    union all
    select study_id, finding, 0 from negatives where study_id in (select study_id from chosen))
select 'anomaly' as task, study_id, list(finding order by finding) as findings, $text as text,
       []::STRUCT(letter VARCHAR, findings VARCHAR[])[] as options,
       string_agg(finding, ', ' order by finding) filter (where value = 1) as answer,
       list(finding order by finding) filter (where value = 1) as answer_findings
from known group by study_id
