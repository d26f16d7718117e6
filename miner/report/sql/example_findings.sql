-- The findings of the chosen examples, by the judge that each example is shown with.
select findings.chain_id, findings.finding_no, observation, status, "start", "end", verdict, reason
from findings join report_examples using (chain_id) join report_chains
     on report_chains.chain_id = findings.chain_id
     and report_chains.judge = concat_ws(' ', findings.judge, findings.judge_version)
where origin = 'chain' order by findings.chain_id, finding_no
