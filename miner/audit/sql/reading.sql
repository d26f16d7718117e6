-- How many reports there are, of how many it is known how they were read, and how many were understood.
select count(*), count(coverage.study_id), count(*) filter (where understood)
from reports left join coverage using (study_id)
