-- Make `silent_studies`: the studies asked about whose silence says nothing, and why.
create or replace temporary table silent_studies as
select distinct study_id, corpus, reason from picked join not_understood using (study_id)
