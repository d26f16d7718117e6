-- Make `delta_labels` (study_id, value, is_new): the labels of one finding in `incoming_labels` that are new or differ.
create or replace temporary table delta_labels as
select study_id, incoming.value, standing.study_id is null as is_new
from (select study_id, columns(lambda c: c = $finding) as value from incoming_labels) as incoming left join (
    select study_id, value, labeler_version from labels where labeler = $labeler and finding = $finding
) as standing using (study_id)
where standing.study_id is null or standing.value is distinct from incoming.value
   or standing.labeler_version is distinct from $version
