-- Make `bench_order`: the place of each chosen sample in its split and mode.
-- Shuffled once, so that any prefix of a file is a fair sample and batches mix tasks.
create or replace temporary table bench_order as
select question_id, mode, split,
       row_number() over (partition by split, mode order by md5_number_lower($seed || mode || question_id),
                          question_id) - 1 as place
from bench_chosen
