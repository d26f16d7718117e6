-- Make `relabel`: studies of the batch that have other words, or no labels by this version of our labeler.
create or replace temporary table relabel as
select study_id from labeled_batch
anti join (select study_id from labels where labeler = $labeler and labeler_version = $version) using (study_id)
union select study_id from delta_batch
