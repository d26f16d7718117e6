-- Make `stale_questions`: questions that rest on other words, labels or progressions than before.
create or replace temporary table stale_questions as
select question_id from questions
where study_id in (select study_id from reworded) or prior_study_id in (select study_id from reworded)
   or (study_id, labeler) in (select (study_id, labeler) from relabeled)
