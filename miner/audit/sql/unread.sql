-- The phrases that could be a finding and were not read, those of the most reports first.
-- `asserted` counts the reports in which one could be there: neither denied nor hedged, and no more than a qualifier.
select phrase, count(distinct study_id) as reports,
       count(distinct study_id) filter (where asserted) as asserted, min(study_id) as example,
       mode(region) as region, bool_or(licence is distinct from 'public') as credentialed
from (select study_id, licence, unnest(unread, recursive := true) from coverage join studies using (study_id))
group by phrase having reports >= $min_count
order by reports desc, asserted desc, phrase limit $limit
