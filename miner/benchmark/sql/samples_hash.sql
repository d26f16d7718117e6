-- How many samples there are, and a number made of all that decides them: ids, places, chains and licences.
select count(*), bit_xor(md5_number(concat_ws('|', split, mode, place, question_id, chain_id, licence)))
from bench_order join questions using (question_id, split) join studies using (study_id)
left join bench_chains on bench_chains.question_id = bench_order.question_id and mode = 'reasoning'
