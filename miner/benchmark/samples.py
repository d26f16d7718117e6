"""Samples: one row of a benchmark, with everything that training and evaluation need, as Parquet.

A sample is a question in one mode. Its images are paths as the corpus's owner writes them, so that two groups with
their own copies write the same bytes; exports put a folder before them. Reports are in reasoning samples alone.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cxr.miner.benchmark.settings import Mode
from cxr.miner.store import Store

_OPTION = pa.struct([("letter", pa.string()), ("text", pa.string())])
_PLAN = pa.struct([("finding", pa.string()), ("look_for", pa.string())])
_EVIDENCE = pa.struct(
    [
        ("finding", pa.string()),
        ("presence", pa.string()),
        ("kind", pa.string()),
        ("statement", pa.string()),
        ("quotes", pa.list_(pa.string())),
    ]
)

ANSWER_ONLY = pa.schema(
    [
        ("sample_id", pa.string()),
        ("mode", pa.string()),
        ("split", pa.string()),
        ("task", pa.string()),
        ("corpus", pa.string()),
        ("licence", pa.string()),
        ("question_id", pa.string()),
        ("patient_id", pa.string()),
        ("study_id", pa.string()),
        ("prior_study_id", pa.string()),
        ("images", pa.list_(pa.string())),
        ("question", pa.string()),
        ("options", pa.list_(_OPTION)),
        ("answer", pa.string()),
        ("answer_text", pa.string()),
        ("findings", pa.list_(pa.string())),
        ("answer_findings", pa.list_(pa.string())),
        ("labeler", pa.string()),
    ]
)
"""`answer` is what a model should write: Yes or No, a letter, or findings; `answer_text` the same in words."""

REASONING = pa.schema(
    [
        *ANSWER_ONLY,
        ("chain_id", pa.string()),
        ("reasoning", pa.string()),
        ("steps", pa.list_(pa.string())),
        ("plan", pa.list_(_PLAN)),
        ("evidence", pa.list_(_EVIDENCE)),
        ("report", pa.string()),
        ("prior_report", pa.string()),
        ("engine", pa.string()),
        ("model", pa.string()),
        ("judge", pa.string()),
        ("factuality", pa.float64()),
        ("radrscore", pa.float64()),
    ]
)

# A reasoning sample is twenty times as long as a question.
REASONING_ROWS = 20_000

SCHEMAS: dict[str, pa.Schema] = {Mode.ANSWER_ONLY: ANSWER_ONLY, Mode.REASONING: REASONING}

_BASE = """
    questions.question_id || '/' || bench_order.mode as sample_id, bench_order.mode, questions.split, questions.task,
    questions.corpus, licence, questions.question_id, patient_id, questions.study_id, prior_study_id,
    -- Of a pair, the prior image comes first, as the question words it; a pair that was labeled by image keeps it.
    coalesce(
        if(prior_study_id is null, now.paths[:$max_images], coalesce(pair.paths, [prior.paths[1], now.paths[1]])),
        []) as images,
    questions.text as question,
    list_transform(options, lambda o: {'letter': o.letter, 'text': lower(array_to_string(o.findings, ', '))})
        as options,
    questions.answer,
    coalesce(lower(array_to_string(list_filter(options, lambda o: o.letter = questions.answer)[1].findings, ', ')),
             questions.answer) as answer_text,
    questions.findings, answer_findings, labeler
"""

_REASONED = """
    chain_id, reasons.text as reasoning, list_transform(steps, lambda s: s.text) as steps, plan,
    list_transform(evidence, lambda e: {'finding': e.finding, 'presence': e.presence, 'kind': e.kind,
        'statement': e.statement, 'quotes': list_transform(e.quotes, lambda q: q.text)}) as evidence,
    report, prior_report, engine || ' ' || engine_version as engine, model,
    judge || ' ' || judge_version as judge, factuality, radrscore
"""

_FROM = """
    from (select * from bench_order where place >= $first and place < $end) as bench_order
    join questions using (question_id) join studies on studies.study_id = questions.study_id
    left join bench_images as now on now.study_id = questions.study_id
    left join bench_images as prior on prior.study_id = questions.prior_study_id
    left join bench_pairs as pair using (question_id)
"""

# Only the rows of this file are joined: whole tables of reports and chains would fill the memory twice over.
_WANTED = """
    with wanted as materialized (
        select bench_order.question_id, chain_id, study_id, prior_study_id
        from bench_order join bench_chains using (question_id) join questions using (question_id)
        where bench_order.split = $split and bench_order.mode = $mode and place >= $first and place < $end),
    reasons as (
        select chain_id, question_id, steps, plan, evidence, text, engine, engine_version, model
        from chains where chain_id in (select chain_id from wanted)),
    judged as (select * from latest_scores where chain_id in (select chain_id from wanted)),
    told as (select study_id, text as report from reports where study_id in (select study_id from wanted)),
    told_before as (
        select study_id, text as prior_report from reports where study_id in (select prior_study_id from wanted))
"""

_FROM_REASONED = """
    join bench_chains using (question_id) join reasons using (chain_id, question_id) join judged using (chain_id)
    left join told on told.study_id = questions.study_id
    left join told_before on told_before.study_id = questions.prior_study_id
"""

# MS-CXR-T names the two images that were compared.
_PAIRS = """
    create or replace temporary table bench_pairs as
    select question_id, [first.path, second.path] as paths
    from questions join progressions using (study_id, prior_study_id)
    join images as first on first.image_id = progressions.prior_image_id
    join images as second on second.image_id = progressions.image_id
    where task = 'temporal' and progressions.finding = findings[1]
    qualify row_number() over (partition by question_id order by progressions.prior_image_id, progressions.image_id) = 1
"""

# Shuffled once, so that any prefix of a file is a fair sample and batches mix tasks.
_ORDER = """
    create or replace temporary table bench_order as
    select question_id, mode, split,
           row_number() over (partition by split, mode order by md5_number_lower($seed || mode || question_id),
                              question_id) - 1 as place
    from bench_chosen
"""


def order_samples(store: Store, seed: int) -> dict[tuple[str, str], int]:
    """Put the chosen samples in their order (`bench_order`) and count them by split and mode."""
    store.connection.execute(_ORDER, {"seed": str(seed)})
    store.connection.execute(_PAIRS)
    rows = store.rows("select split, mode, count(*) from bench_order group by all order by all")
    return {(split, mode): count for split, mode, count in rows}


def shards(counts: dict[tuple[str, str], int], shard_rows: int) -> Iterator[tuple[str, str, str, int, int]]:
    """Return file name, split, mode, first place and the place after the last for every file of a benchmark."""
    for (split, mode), count in counts.items():
        rows = min(shard_rows, REASONING_ROWS) if mode == Mode.REASONING else shard_rows
        for number, first in enumerate(range(0, count, rows)):
            yield f"{split}/{mode}-{number:05d}.parquet", split, mode, first, min(first + rows, count)


def read_shard(store: Store, split: str, mode: str, first: int, end: int, max_images: int) -> pa.Table:
    """Return the samples of one split and mode at places [first, end)."""
    reasoned = mode == Mode.REASONING
    columns = f"{_BASE}, {_REASONED}" if reasoned else _BASE
    query = (
        f"{_WANTED if reasoned else ''} select {columns} {_FROM} {_FROM_REASONED if reasoned else ''} "
        "where bench_order.split = $split and bench_order.mode = $mode order by place"
    )
    parameters = {"split": split, "mode": mode, "first": first, "end": end, "max_images": max_images}
    table = store.connection.sql(query, params=parameters).to_arrow_table()
    return table.select(SCHEMAS[mode].names).cast(SCHEMAS[mode])


def write_samples(table: pa.Table, path: Path) -> None:
    """Write a Parquet file that appears only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(table, partial, compression="zstd", row_group_size=20_000)
    partial.replace(path)
