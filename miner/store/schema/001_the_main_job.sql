-- Create every table of the design, and the views for reading chains with SQL.

create table runs (
    run_id varchar, command varchar, settings json, versions json, attestation json,
    started_at timestamp, ended_at timestamp, status varchar, pid integer,
    rows_written bigint, rejects bigint, message varchar
);
create table rejects (
    stage varchar, corpus varchar, reject_key varchar, settings_hash varchar,
    reason varchar, message varchar, run_id varchar
);
create table studies (
    study_id varchar, corpus varchar, source_id varchar, patient_id varchar, split varchar,
    study_order bigint, study_datetime timestamp, age double, sex varchar, licence varchar,
    row_hash varchar, run_id varchar
);
create table images (
    image_id varchar, study_id varchar, path varchar, "view" varchar, view_position varchar,
    width integer, height integer, file_status varchar, run_id varchar
);
create table reports (
    study_id varchar, text varchar, sections STRUCT(name VARCHAR, start INTEGER, "end" INTEGER)[],
    findings varchar, impression varchar, indication varchar, comparison varchar, text_hash varchar, run_id varchar
);
create table labels (
    study_id varchar, labeler varchar, labeler_version varchar, finding varchar, value tinyint, run_id varchar
);
create table progressions (
    study_id varchar, prior_study_id varchar, finding varchar, progression varchar, quality varchar,
    labeler varchar, run_id varchar
);
create table questions (
    question_id varchar, study_id varchar, corpus varchar, split varchar, task varchar, findings varchar[],
    text varchar, options STRUCT(letter VARCHAR, findings VARCHAR[])[], answer varchar,
    answer_findings varchar[], labeler varchar, settings_hash varchar, run_id varchar
);
create table chains (
    chain_id varchar, question_id varchar, study_id varchar, task varchar, engine varchar,
    engine_version varchar, model varchar, prompts STRUCT(name VARCHAR, version VARCHAR, hash VARCHAR)[],
    settings_hash varchar, plan STRUCT(finding VARCHAR, look_for VARCHAR)[],
    evidence STRUCT(
        evidence_no INTEGER, finding VARCHAR, kind VARCHAR, presence VARCHAR, statement VARCHAR,
        quotes STRUCT(start INTEGER, "end" INTEGER, text VARCHAR)[])[],
    steps STRUCT(step_no INTEGER, text VARCHAR, evidence INTEGER[])[], text varchar, answer varchar,
    run_id varchar
);
create table findings (
    chain_id varchar, judge varchar, judge_version varchar, origin varchar, finding_no integer,
    observation varchar, status varchar,
    normal_forms STRUCT(
        concept VARCHAR, presence VARCHAR, certainty VARCHAR, locations VARCHAR[], side VARCHAR,
        severity VARCHAR, size_mm DOUBLE, number VARCHAR, change VARCHAR)[],
    "start" integer, "end" integer,
    verdict varchar, factual boolean, reason varchar, extra_detail boolean, evidence STRUCT(start INTEGER, "end" INTEGER, text VARCHAR)[],
    recalled boolean, effective boolean, run_id varchar
);
create table scores (
    chain_id varchar, judge varchar, judge_version varchar, factuality double, completeness double,
    effectiveness double, radrscore double, n_findings integer, n_factual integer, n_reference integer,
    n_recalled integer, n_effective integer, n_not_assessable integer, run_id varchar
);
create table calls (
    call_id varchar, stage varchar, question_id varchar, engine varchar, model varchar, prompt_name varchar,
    prompt_version varchar, prompt_hash varchar, attempt integer, cache_hit boolean, prompt_tokens bigint,
    completion_tokens bigint, cost_usd double, latency_s double, error varchar, called_at timestamp,
    run_id varchar
);
create table predictions (
    prediction_id varchar, question_id varchar, model varchar, mode varchar, text varchar, answer varchar,
    run_id varchar
);
create table reviews (
    chain_id varchar, reviewer varchar, factuality double, validity double, completeness double,
    comment varchar, reviewed_at timestamp
);

create view latest_scores as
select scores.* from scores left join runs using (run_id)
qualify row_number() over (partition by chain_id order by runs.started_at desc, judge, judge_version desc) = 1;

create view factual_chains as
select chains.* exclude (run_id), questions.corpus, questions.split, questions.text as question,
       judge, judge_version, factuality, completeness, effectiveness, radrscore
from chains
join latest_scores using (chain_id)
join questions using (question_id)
where factuality >= 1
  and chain_id not in (
      select chain_id from reviews where least(factuality, validity, completeness) < 5);

create view chain_steps as
select chain_id, question_id, study_id, task, engine, step.step_no, step.text,
       list_filter(chains.evidence, lambda e: list_contains(step.evidence, e.evidence_no)) as evidence
from chains, unnest(steps) as s(step);

create view chain_evidence as
select chain_id, question_id, study_id, task, engine, piece.evidence_no, piece.finding, piece.kind,
       piece.presence, piece.statement, list_transform(piece.quotes, lambda q: q.text) as quotes
from chains, unnest(evidence) as e(piece);
