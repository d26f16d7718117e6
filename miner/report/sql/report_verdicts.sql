-- Make `report_verdicts`: a row per finding that the chain's latest judge gave a verdict on.
create or replace temporary table report_verdicts as
select findings.chain_id, verdict, factual, reason, error, coalesce(normal_forms[1].concept, '(not in the lexicon)')
           as concept, report_chains.patient
from findings join report_chains
     on report_chains.chain_id = findings.chain_id
     and report_chains.judge = concat_ws(' ', findings.judge, findings.judge_version)
where origin = 'chain'
