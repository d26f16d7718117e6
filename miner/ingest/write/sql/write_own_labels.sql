-- Write the labels of `labeled_batch`, one a finding, for the studies in `relabel`.
insert into labels (study_id, labeler, labeler_version, finding, value, run_id)
select study_id, $labeler, $version, unnest($findings), unnest(labels), $run
from labeled_batch where study_id in (select study_id from relabel)
