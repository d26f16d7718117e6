-- Make `delta_batch`: ids of the reports of `batch` that are new or have other words.
create or replace temporary table delta_batch as
select study_id, standing_reports.study_id is not null as is_reworded
from batch left join standing_reports using (study_id)
where standing_reports.text_hash is distinct from batch.text_hash
