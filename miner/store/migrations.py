"""The store's schema as append-only steps: a published step is never edited, only followed by another.

Tables carry no primary-key indexes: DuckDB keeps such an index in memory, which costs gigabytes at MIMIC's
size. Uniqueness comes from deterministic ids and set-based anti-joins on insert, and tests prove it.
"""

from collections.abc import Callable

import duckdb

QUOTE = 'STRUCT(start INTEGER, "end" INTEGER, text VARCHAR)'
SECTION = 'STRUCT(name VARCHAR, start INTEGER, "end" INTEGER)'
NORMAL_FORM = (
    "STRUCT(concept VARCHAR, presence VARCHAR, certainty VARCHAR, locations VARCHAR[], side VARCHAR, "
    "severity VARCHAR, size_mm DOUBLE, number VARCHAR, change VARCHAR)"
)
EVIDENCE = (
    f"STRUCT(evidence_no INTEGER, finding VARCHAR, kind VARCHAR, presence VARCHAR, statement VARCHAR, quotes {QUOTE}[])"
)

_M001_TABLES = f"""
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
        study_id varchar, text varchar, sections {SECTION}[], findings varchar, impression varchar,
        indication varchar, comparison varchar, text_hash varchar, run_id varchar
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
        settings_hash varchar, plan STRUCT(finding VARCHAR, look_for VARCHAR)[], evidence {EVIDENCE}[],
        steps STRUCT(step_no INTEGER, text VARCHAR, evidence INTEGER[])[], text varchar, answer varchar,
        run_id varchar
    );
    create table findings (
        chain_id varchar, judge varchar, judge_version varchar, origin varchar, finding_no integer,
        observation varchar, status varchar, normal_forms {NORMAL_FORM}[], "start" integer, "end" integer,
        verdict varchar, factual boolean, reason varchar, extra_detail boolean, evidence {QUOTE}[],
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
"""

_M001_VIEWS = """
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
"""


def m001_the_main_job(connection: duckdb.DuckDBPyConnection) -> None:
    """Create every table of the design, and the views for reading chains with SQL."""
    connection.execute(_M001_TABLES)
    connection.execute(_M001_VIEWS)


def m002_every_corpus(connection: duckdb.DuckDBPyConnection) -> None:
    """Room for dated studies, image headers, pairs of studies and what is known about a corpus; the view `priors`."""
    connection.execute(
        """
        alter table studies add column study_date date;
        alter table studies add column demographics json;
        alter table images add column "procedure" varchar;
        alter table images add column view_code varchar;
        alter table images add column orientation varchar;
        alter table progressions add column corpus varchar;
        alter table progressions add column image_id varchar;
        alter table progressions add column prior_image_id varchar;
        alter table progressions add column source_row bigint;
        alter table questions add column prior_study_id varchar;
        create table corpora (
            corpus varchar, title varchar, licence varchar, layout varchar, image_root varchar,
            counts STRUCT(what VARCHAR, found BIGINT, published BIGINT)[], notes varchar[], run_id varchar
        );

        -- The nearest study that is certainly earlier. Where the time of day is unknown, a study is taken to begin
        -- with its day and, as a prior, to end with it. Corpora without dates are ordered by study_order.
        create view priors as
        select later.study_id, earlier.study_id as prior_study_id, later.patient_id, later.corpus,
               date_diff('day', earlier.study_date, later.study_date) as days_between
        from (select *, coalesce(study_datetime, study_date) as moment from studies where study_date is not null)
             as later
        asof join (select *, coalesce(study_datetime, study_date + interval 1 day - interval 1 microsecond) as moment
                   from studies where study_date is not null) as earlier
        on later.corpus = earlier.corpus and later.patient_id = earlier.patient_id and later.moment > earlier.moment
        union all
        select later.study_id, earlier.study_id, later.patient_id, later.corpus, null
        from (select * from studies where study_date is null) as later
        asof join (select * from studies where study_date is null) as earlier
        on later.corpus = earlier.corpus and later.patient_id = earlier.patient_id
           and later.study_order > earlier.study_order;
        """
    )


def m003_calls_that_add_up(connection: duckdb.DuckDBPyConnection) -> None:
    """Let calls know their job, request and batch; make room for batches at a server; add the view `spending`."""
    connection.execute(
        """
        alter table calls add column request_hash varchar;
        alter table calls add column cached_tokens bigint;
        alter table calls add column batch boolean;
        alter table calls add column settings_hash varchar;
        create table batches (
            batch_id varchar, remote_id varchar, input_file_id varchar, settings_hash varchar, base_url varchar,
            model varchar, requests bigint, status varchar, message varchar, submitted_at timestamp,
            ended_at timestamp, collected_at timestamp, answered bigint, failed bigint, run_id varchar
        );
        create table batch_requests (
            batch_id varchar, request_hash varchar, question_id varchar, stage varchar, prompt_name varchar,
            prompt_version varchar, prompt_hash varchar, attempt integer
        );

        create view spending as
        select settings_hash, engine, model, stage, count(*) as attempts,
               count(*) filter (where cache_hit) as from_cache, count(error) as failed,
               sum(prompt_tokens)::bigint as prompt_tokens, sum(completion_tokens)::bigint as completion_tokens,
               sum(cost_usd) as cost_usd,
               count(*) filter (where cost_usd is null) as of_unknown_cost
        from calls group by all;
        """
    )


def m004_evaluation(connection: duckdb.DuckDBPyConnection) -> None:
    """Let predictions know their sample and benchmark; make room for their scores and for evaluations."""
    connection.execute(
        """
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
        """
    )


def m005_one_chain_a_question(connection: duckdb.DuckDBPyConnection) -> None:
    """Give each question's newest chain as `current_chains`, and let `factual_chains` be about those alone.

    `newest_chains` has the newest chain of each question by engine and model: one that a later run of the same engine
    found impossible to mine is not among them. `all_factual_chains` is what `factual_chains` was before.
    """
    factual = """
        select chains.* exclude (run_id), questions.corpus, questions.split, questions.text as question,
               judge, judge_version, factuality, completeness, effectiveness, radrscore
        from {chains} as chains
        join latest_scores using (chain_id)
        join questions using (question_id)
        where factuality >= 1
          and chain_id not in (
              select chain_id from reviews where least(factuality, validity, completeness) < 5)
    """
    connection.execute(
        """
        create view newest_chains as
        with rejected as (
            select reject_key as question_id, runs.settings->>'engine' as engine, max(started_at) as rejected_at
            from rejects join runs using (run_id)
            where stage = 'mine' and reason <> 'model_call_failed' group by all),
        dated as (
            select chain_id, question_id, chains.engine, model, started_at
            from chains left join runs using (run_id) left join rejected using (question_id, engine)
            where rejected_at is null or rejected_at <= started_at),
        newest as (
            select chain_id from dated
            qualify row_number() over (
                partition by question_id, engine, model order by started_at desc nulls last, chain_id) = 1)
        select chains.* from chains semi join newest using (chain_id);

        create view current_chains as
        select newest_chains.* from newest_chains left join runs using (run_id)
        qualify row_number() over (
            partition by question_id order by started_at desc nulls last, chain_id) = 1;
        """
    )
    connection.execute("drop view factual_chains")
    connection.execute(f"create view factual_chains as {factual.format(chains='current_chains')}")
    connection.execute(f"create view all_factual_chains as {factual.format(chains='chains')}")
    # How an answer was read decides whether it counts as right: scores know by which version of that.
    connection.execute("alter table prediction_scores add column answers_version varchar")


MIGRATIONS: tuple[Callable[[duckdb.DuckDBPyConnection], None], ...] = (
    m001_the_main_job,
    m002_every_corpus,
    m003_calls_that_add_up,
    m004_evaluation,
    m005_one_chain_a_question,
)
