-- The chosen samples as ids: which question of which study stands where, about which findings, with which options.
select split, mode, place, question_id, questions.study_id, prior_study_id, task, labeler,
       array_to_string(findings, '|') as findings,
       list_transform(options, lambda o: array_to_string(o.findings, '|')) as options,
       bench_chains.chain_id
from bench_order join questions using (question_id, split)
left join bench_chains on bench_chains.question_id = bench_order.question_id and mode = 'reasoning'
order by split, mode, place
