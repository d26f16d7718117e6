-- Write the scores of `scored_now`, with what each prediction is about.
insert into prediction_scores by name
select scored_now.*, ? as benchmark, sample_id, question_id, model, mode, task, corpus, split, ? as judge,
       ? as judge_version, ? as answers_version, ? as run_id
from scored_now join (select prediction_id, sample_id, question_id, model, mode, task, corpus, split from work)
     as about using (prediction_id)
