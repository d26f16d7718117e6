-- Why chains have no score ('' where they have one), and how many.
with rejected as (
    select reject_key as chain_id, any_value(reason) as reason from rejects where stage = 'score' group by all)
select case when factuality is not null then ''
            when reason is not null then 'rejected: ' || replace(reason, '_', ' ')
            else 'not scored yet' end as reason, count(*) as chains
from report_chains left join rejected using (chain_id) group by all
