"""How much of each report was read: written, and renewed, in the pass that labels."""

from collections.abc import Iterable, Mapping

import polars as pl

from cxr.miner.kit.sql import read_sql
from cxr.miner.language.version import reader_version
from cxr.miner.store import Run, Store

_SQL = read_sql("cxr.miner.ingest.write")

_UNREAD = pl.Struct(
    {"start": pl.Int32, "end": pl.Int32, "phrase": pl.String, "asserted": pl.Boolean, "region": pl.String}
)
_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "share": pl.Float64,
    "understood": pl.Boolean,
    "unread": pl.List(_UNREAD),
    "doubted": pl.List(pl.String),
}


def coverage_frame(study_ids: pl.Series, rows: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    """Return the coverage of reports as rows of the store, one a study."""
    return pl.DataFrame(list(rows), schema=_SCHEMA).with_columns(study_id=study_ids)


def write_coverage(store: Store, frame: pl.DataFrame, run: Run) -> None:
    """Write the coverage of the studies in the temporary table `relabel`.

    What was asked of a study that is not understood any more may rest on silence: it is noted as relabeled.
    """
    store.replace_temporary("covered", frame)
    store.connection.execute(_SQL["note_not_understood"])
    store.connection.execute("delete from coverage where study_id in (select study_id from relabel)")
    (written,) = store.rows(_SQL["write_coverage"], {"version": reader_version(), "run": run.run_id})[0]
    run.rows_written += written
