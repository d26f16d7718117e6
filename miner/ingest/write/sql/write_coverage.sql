-- Write how much was read of the reports in `relabel`.
insert into coverage by name
select study_id, share, understood, unread, doubted, $version as reader_version, $run as run_id
from covered semi join relabel using (study_id)
