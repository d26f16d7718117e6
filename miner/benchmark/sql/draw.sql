-- Draw the samples of one mode into `bench_chosen`, as many as `bench_quota` says.
-- In turns: the first of every stratum, then the second of every stratum, until the target is reached.
insert into bench_chosen
select question_id, split, task, $mode
from (select *, row_number() over (partition by split, task, corpus, finding, said order by draw, question_id)
                as turn
      from bench_strata where ($mode = 'answer_only' or has_chain))
join bench_quota using (split, task)
left join (select question_id, true as reasons from bench_chosen where mode = 'reasoning') using (question_id)
qualify row_number() over (
    partition by split, task order by coalesce(reasons, false) desc, turn, draw, question_id) <= quota
