-- Make `leak_studies`: studies that occur in more than one split.
-- CheXpert Plus is CheXpert with reports: the same patients and studies under another name (formats.md, section 4).
create or replace temporary table leak_studies as
select study_id from studies where regexp_replace(study_id, '^chexpert-plus/', 'chexpert/') in (
    select regexp_replace(study_id, '^chexpert-plus/', 'chexpert/') from studies where split is not null group by 1
    having count(distinct split) > 1)
