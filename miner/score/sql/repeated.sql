-- Make `repeated`: of the kept chains that say nearly the same, all but one.
create or replace temporary table repeated as
select chain_id from near_duplicates join judged using (chain_id) join query_table($chains) as chains using (chain_id)
where is_kept
qualify row_number() over (partition by group_id order by similarity desc, chain_id) > 1
