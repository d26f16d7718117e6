-- Make `not_understood`: studies whose silence says nothing, since too little was read, or what was read is doubted.
create or replace temporary table not_understood as
select study_id, case when share < $least then $unread else $doubted end as reason from coverage where not understood
