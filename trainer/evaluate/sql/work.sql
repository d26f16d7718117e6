-- Make `work`: the predictions that this judge has not scored, with what their samples say.
-- Reasoning is judged where it was asked for and the sample has both a reference reasoning and a report. Predictions
-- of one study stand together, so that its report is read once.
create or replace temporary table work as
select row_number() over (order by study_id, question_id, prediction_id) - 1 as place, prediction_id, text,
       sample_id, question_id, predictions.model, predictions.mode, task, corpus, split, licence,
       list_transform(options, lambda o: o.letter || ') ' || o.text) as options, answer, answer_findings, question,
       if(predictions.mode = 'reasoning' and report is not null, reasoning, null) as reference,
       if(predictions.mode = 'reasoning' and reasoning is not null, report, null) as report
from (select prediction_id, sample_id, model, mode, text from predictions
      where benchmark = $benchmark and text is not null and ($models is null or list_contains($models, model)))
     as predictions
join (select sample_id, question_id, study_id, task, corpus, split, licence, options, answer, answer_findings, reasoning,
             report, question from bench_samples) as samples using (sample_id)
where prediction_id not in (
          select prediction_id from prediction_scores
          where judge = $judge and judge_version = $version and answers_version = $answers
          and not ($ratescore and ratescore is null and finding_f1 is not null)
          and ($weights is null or n_pred is null or weights = $weights))
  and prediction_id not in (
          select reject_key from rejects where stage = 'evaluate' and settings_hash = $job and reason <> $passing)
