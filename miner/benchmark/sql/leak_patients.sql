-- Make `leak_patients`: patients that occur in more than one split.
-- CheXpert Plus is CheXpert with reports: the same patients and studies under another name (formats.md, section 4).
create or replace temporary table leak_patients as
select patient_id from studies where regexp_replace(patient_id, '^chexpert-plus/', 'chexpert/') in (
    select regexp_replace(patient_id, '^chexpert-plus/', 'chexpert/') from studies where split is not null group by 1
    having count(distinct split) > 1)
