-- The settings of the runs that asked the chosen questions, oldest first.
select settings from runs where command = 'ask' and run_id in (
    select run_id from questions where question_id in (select question_id from bench_chosen))
order by started_at
