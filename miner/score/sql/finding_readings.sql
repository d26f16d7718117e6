-- Every reader's first verdict on a finding.
select item_id, reviewer, study_id as patient, verdict, seconds, coalesce(round, 'first') as round
from finding_reviews where verdict is not null
order by item_id, reviewer, reviewed_at
