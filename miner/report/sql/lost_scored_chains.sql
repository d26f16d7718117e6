-- Why scored chains are not factual ('' where they are), and how many.
select case when factuality >= 1 then ''
            when is_contradicted then 'factuality below 1: the report contradicts a finding'
            when is_unmentioned then 'factuality below 1: something abnormal that the report does not mention'
            when n_findings = 0 then 'factuality 0: the chain states no finding'
            else 'factuality below 1' end as reason, count(*) as chains
from report_chains where factuality is not null group by all
