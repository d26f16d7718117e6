-- Delete one judge's scores of the chains in the temporary table `weighed`.
delete from scores where judge = ? and judge_version = ? and chain_id in (select chain_id from weighed)
