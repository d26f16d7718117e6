"""Samples: one row of a benchmark, with everything that training and evaluation need, as Parquet.

A sample is a question in one mode. Its images are paths as the corpus's owner writes them, so that two groups with
their own copies write the same bytes; exports put a folder before them. Reports are in reasoning samples alone.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cxr.miner.benchmark.settings import Mode
from cxr.miner.kit.files import whole_path
from cxr.miner.kit.sql import read_sql
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.benchmark")

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


def order_samples(store: Store, seed: int) -> dict[tuple[str, str], int]:
    """Put the chosen samples in their order (`bench_order`) and count them by split and mode."""
    store.connection.execute(_SQL["bench_order"], {"seed": str(seed)})
    store.connection.execute(_SQL["bench_pairs"])
    store.connection.execute(_SQL["bench_rows"])
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
    parameters = {"split": split, "mode": mode, "first": first, "end": end, "max_images": max_images}
    table = store.connection.sql(_SQL[f"{mode}_samples"], params=parameters).to_arrow_table()
    return table.select(SCHEMAS[mode].names).cast(SCHEMAS[mode])


def write_samples(table: pa.Table, path: Path) -> None:
    """Write a Parquet file that appears only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_path(path) as partial:
        pq.write_table(table, partial, compression="zstd", row_group_size=20_000)
