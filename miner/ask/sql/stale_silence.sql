-- Make `stale_questions`: those of studies that are not understood, as it turns out now.
create or replace temporary table stale_questions as
select question_id from questions
semi join (select study_id from covered where not understood) using (study_id)
anti join (select study_id from coverage where not understood) using (study_id)
