-- Make `sets_asked`: one finding that is there among three whose label is 0 or not mentioned.
create or replace temporary table sets_asked as
with answers as (
    select study_id, finding as answer, md5_number_lower('single' || draw) as draw
    from picked join ceilings using (finding)
    where corpus = $corpus and value = 1
      and study_id in (select study_id from negatives group by study_id having count(*) >= 3)
    qualify row_number() over (partition by finding order by md5_number_lower('single' || draw)) <= ceiling),
distractors as (
    select study_id, answer, answers.draw, finding from answers join negatives using (study_id)
    qualify row_number() over (
        partition by study_id, answer order by md5_number_lower(concat(answers.draw, negatives.draw))) <= 3),
choices as (
    select study_id, answer, draw, [finding] as findings from distractors
    union all select study_id, answer, draw, [answer] from answers)
select 'single' as task, study_id, [answer] as answer_findings,
       list(findings order by md5_number_lower(concat(draw, findings[1]))) as sets
from choices group by study_id, answer
