-- Make `silent_studies`: the studies asked about of whose reports too little was read.
create or replace temporary table silent_studies as
select distinct study_id, corpus from picked semi join not_understood using (study_id)
