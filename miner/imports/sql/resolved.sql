-- Make `resolved`: the sample that each line is about, and its turn among lines about the same.
-- A line is about the first of its candidates that the benchmark has; of several lines about one sample, the first
-- that has an output counts.
create or replace temporary table resolved as
with possible as (
    select line, unnest(candidates) as sample_id, generate_subscripts(candidates, 1) as place from given),
known as (
    select line, possible.sample_id, question_id, bench_samples.mode as sample_mode
    from possible join bench_samples using (sample_id)
    qualify row_number() over (partition by line order by place) = 1),
complete as (
    select line, sample_id, question_id, model, coalesce(given.mode, sample_mode) as mode, text, error
    from given join known using (line))
select *,
       left(sha256($benchmark || '|' || model || '|' || mode || '|' || sample_id), 20) as prediction_id,
       row_number() over same as turn, first_value(text) over same as first_text
from complete
window same as (partition by model, mode, sample_id order by text is null, line
                rows between unbounded preceding and unbounded following)
