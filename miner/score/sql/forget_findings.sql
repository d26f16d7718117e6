-- Delete one judge's verdicts of the chains in the temporary table `weighed`.
delete from findings where judge = ? and judge_version = ? and chain_id in (select chain_id from weighed)
