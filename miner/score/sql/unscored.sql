-- The chains that a judge has not scored, or not with these weights.
-- One that the server did not answer for is tried again, any other reject is not.
select chain_id from newest_chains
where chain_id not in (
      select chain_id from scores
      where judge = $judge and judge_version = $version and ($weights is null or weights = $weights))
  and chain_id not in (
      select reject_key from rejects where stage = 'score' and settings_hash = $job and reason <> $passing)
order by study_id, chain_id
