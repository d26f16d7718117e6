-- The judges' verdicts on the findings of a chain.
select judge, observation, status, verdict, reason,
       array_to_string(list_transform(evidence, lambda q: q.text), ' | ') as evidence
from findings where chain_id = ? and origin = 'chain' order by judge, finding_no
