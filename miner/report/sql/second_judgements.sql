-- What judges of two tiers asked their second judge.
select judge || ' ' || judge_version as judge, sum(findings)::bigint as findings, sum(asked)::bigint as asked,
       sum(asked) / sum(findings) as "share asked", sum(changed)::bigint as "verdicts changed",
       sum(turned)::bigint as "factual to not, or back"
from second_judgements group by all order by 1
