-- Make `vanished_labels`: studies of this corpus that the file of a labeler no longer has.
create or replace temporary table vanished_labels as
select distinct study_id from labels semi join incoming_studies using (study_id)
anti join incoming_labels using (study_id) where labeler = $labeler
