-- Keep one of the kept chains that say nearly the same.
update judged set is_kept = false where chain_id in (select chain_id from repeated)
