-- Make `not_understood`: studies with a report of which too little was read.
create or replace temporary table not_understood as select study_id from coverage where not understood
