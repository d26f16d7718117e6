-- Make `delta_reports`: ids of reports that are new or have other words.
create or replace temporary table delta_reports as
select study_id, reports.study_id is not null as is_reworded
from incoming_reports left join reports using (study_id)
where reports.text_hash is distinct from incoming_reports.text_hash
