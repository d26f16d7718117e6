-- How many samples of each split and mode models have an output for, and how many failed.
with expected as (
    select split, mode as samples, count(*) as expected from bench_samples group by all),
found as (
    select predictions.model, predictions.mode, split, bench_samples.mode as samples,
           count(text) as predicted, count(*) - count(text) as failed
    from predictions join bench_samples using (sample_id)
    where benchmark = $benchmark and ($models is null or list_contains($models, predictions.model))
    group by all)
select model, mode, split, samples, predicted, failed, expected
from found join expected using (split, samples) order by all
