-- Let predictions know their sample and benchmark; make room for their scores and for evaluations.

alter table predictions add column sample_id varchar;
alter table predictions add column benchmark varchar;
alter table predictions add column error varchar;
-- What a judge and a reading of the answer said of one prediction; counts are null where nothing was judged.
create table prediction_scores (
    prediction_id varchar, benchmark varchar, sample_id varchar, question_id varchar, model varchar,
    mode varchar, task varchar, corpus varchar, split varchar, judge varchar, judge_version varchar,
    answer varchar, answer_read varchar, unparsed boolean, correct double, finding_f1 double, ratescore double,
    n_pred integer, n_correct integer, n_gt integer, n_recalled integer, n_effective integer,
    n_ineffective integer, n_not_assessable integer, factuality double, completeness double,
    effectiveness double, radrscore double, run_id varchar
);
create table evaluations (
    benchmark varchar, model varchar, task varchar, corpus varchar, split varchar, mode varchar,
    measure varchar, "value" double, low double, high double, n bigint, n_expected bigint, n_missing bigint,
    n_unparsed bigint, judge varchar, judge_version varchar, settings json, settings_hash varchar,
    run_id varchar
);
