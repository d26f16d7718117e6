-- Every sample that a model was asked, with its prediction and scores.
-- A question stands in a benchmark once for its answer and once for its reasoning. Where a model was asked both in the
-- same way, the sample with a report counts, so that no question counts twice.
with asked as (
    select distinct predictions.model, predictions.mode, split, bench_samples.mode as samples
    from predictions join bench_samples using (sample_id)
    where benchmark = $benchmark and ($models is null or list_contains($models, predictions.model))),
expected as (
    select asked.model, asked.mode, samples.sample_id, question_id, task, corpus, samples.split,
           coalesce(patient_id, study_id) as patient, reasoning is not null and report is not null as has_report
    from asked join bench_samples as samples on samples.split = asked.split and samples.mode = asked.samples),
said as (
    select sample_id, model, mode, prediction_id from predictions
    where benchmark = $benchmark and text is not null),
scores as (
    select prediction_id, unparsed, answer_read, correct, finding_f1, ratescore,
           if(weights = $weights, weighted, null) as weighted,
           columns(lambda c: list_contains($counts, c))
    from prediction_scores where benchmark = $benchmark and judge = $judge and judge_version = $version)
select expected.*, prediction_id, scores.* exclude (prediction_id)
from expected left join said using (model, mode, sample_id) left join scores using (prediction_id)
qualify row_number() over (partition by model, mode, question_id
                           order by prediction_id is null, not has_report, sample_id) = 1
order by model, mode, split, task, corpus, question_id
