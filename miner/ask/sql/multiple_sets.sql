-- Make `sets_asked`: four sets of one size, of which one is exactly what the study shows.
-- Each wrong set holds one finding that is absent and that no other wrong set holds, so that it is wrong and unlike
-- the others; its other members are drawn from what is present and what else is absent.
create or replace temporary table sets_asked as
with positives as (
    select study_id, finding, draw from picked where value = 1 and study_id in (select study_id from chosen)),
right_sets as (
    select study_id, list(finding order by finding) as findings, count(*) as size from positives group by study_id),
ranked as (
    select study_id, finding, draw,
           row_number() over (partition by study_id order by md5_number_lower('multiple' || draw)) as place
    from negatives where study_id in (select study_id from chosen)),
forced as (select study_id, place, finding from ranked where place <= 3),
fillers as (
    select study_id, finding, draw from positives
    union all select study_id, finding, draw from ranked where place > 3),
filled as (
    select forced.study_id, forced.place, fillers.finding
    from forced join fillers using (study_id) join right_sets using (study_id)
    where size > 1
    qualify row_number() over (
        partition by forced.study_id, forced.place
        order by md5_number_lower(concat(forced.place, fillers.draw))) < right_sets.size),
wrong_sets as (
    select study_id, list(finding order by finding) as findings
    from (select study_id, place, finding from forced union all select study_id, place, finding from filled)
    group by study_id, place),
choices as (
    select study_id, findings from right_sets union all select study_id, findings from wrong_sets)
select 'multiple' as task, study_id, right_sets.findings as answer_findings,
       list(choices.findings order by md5_number_lower(
           concat_ws('|', $seed::varchar, study_id, array_to_string(choices.findings, '|')))) as sets
from choices join right_sets using (study_id) group by study_id, right_sets.findings
