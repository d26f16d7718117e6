-- Make the table macro `bench_rows`: the samples of one split and mode at places [first_place, end_place), unordered.
create or replace temporary macro bench_rows(of_split, of_mode, first_place, end_place, most_images) as table
select questions.question_id || '/' || bench_order.mode as sample_id, bench_order.mode, questions.split, questions.task,
       questions.corpus, licence, questions.question_id, patient_id, questions.study_id, prior_study_id,
       -- Of a pair, the prior image comes first, as the question words it; a pair that was labeled by image keeps it.
       coalesce(
           if(prior_study_id is null, now.paths[:most_images], coalesce(pair.paths, [prior.paths[1], now.paths[1]])),
           []) as images,
       questions.text as question,
       list_transform(options, lambda o: {'letter': o.letter, 'text': lower(array_to_string(o.findings, ', '))})
           as options,
       questions.answer,
       coalesce(lower(array_to_string(list_filter(options, lambda o: o.letter = questions.answer)[1].findings, ', ')),
                questions.answer) as answer_text,
       questions.findings, answer_findings, labeler, place
from (select * from bench_order where place >= first_place and place < end_place) as bench_order
join questions using (question_id) join studies on studies.study_id = questions.study_id
left join bench_images as now on now.study_id = questions.study_id
left join bench_images as prior on prior.study_id = questions.prior_study_id
left join bench_pairs as pair using (question_id)
where bench_order.split = of_split and bench_order.mode = of_mode
