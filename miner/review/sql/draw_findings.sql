-- Findings that chains make, as their newest judge took them out: every verdict of that judge in turn, so that the
-- rare ones are there; the same words about the same study once.
with able as (
    select chain_id, finding_no, chains.study_id, observation, findings.status, verdict,
           md5(concat_ws('|', 'review', $seed::varchar, chains.study_id, observation, findings.status)) as draw
    from findings join newest_chains as chains using (chain_id)
    join latest_scores using (chain_id, judge, judge_version)
    where origin = 'chain' and verdict is not null and (len($tasks) = 0 or list_contains($tasks, task))
      and chains.study_id in (select study_id from reports)
    qualify row_number() over (
        partition by chains.study_id, lower(observation), lower(findings.status) order by chain_id, finding_no) = 1)
select chain_id, study_id, observation, status from able
order by row_number() over (partition by verdict order by draw), draw limit $most
