"""What a corpus that was read would change in the store, as temporary tables; nothing is written here.

`incoming_*` hold the corpus, `delta_*` the ids of the rows that are new or differ. Reports of large corpora are
compared batch by batch while they are written (cxr.miner.ingest.write.ingest).
"""

from collections.abc import Iterable, Sequence

import polars as pl

from cxr.miner.ingest.corpus import IMAGES, PROGRESSIONS, REJECTS, REPORTS, STUDIES, Ingested, LabelTable, conform
from cxr.miner.ingest.write.provenance import kept_root
from cxr.miner.kit.sql import read_sql
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.ingest.write")

# Two progressions are the same when these agree; the rest may change.
PROGRESSION_KEY = ("study_id", "prior_study_id", "finding", "labeler")


def stage(store: Store, ingested: Ingested) -> None:
    """Make the temporary tables of a corpus: everything but labels, and reports that come in batches."""
    store.replace_temporary("incoming_studies", conform(ingested.studies, STUDIES))
    store.replace_temporary("incoming_images", conform(ingested.images, IMAGES))
    store.replace_temporary("incoming_reports", conform(ingested.reports, REPORTS))
    store.replace_temporary("incoming_progressions", conform(ingested.progressions, PROGRESSIONS))
    store.replace_temporary("incoming_rejects", conform(ingested.rejects, REJECTS))
    store.connection.execute(
        "alter table incoming_rejects add column settings_hash varchar; "  # of the reports that a reject came from
        "create or replace temporary table changed_studies (study_id varchar); "
        "create or replace temporary table reworded (study_id varchar); "
        "create or replace temporary table relabeled (study_id varchar, labeler varchar)"
    )
    _keep_unknown(store, ingested)
    store.connection.execute(_SQL["keep_checked"])
    # A row's hash stands for what the other columns do not show, where there is one.
    hashed = (
        "or (incoming_studies.row_hash is not null and incoming_studies.row_hash is distinct from studies.row_hash)"
    )
    _compare(store, "studies", ("study_id",), set(STUDIES) - {"study_id", "row_hash"}, hashed)
    _compare(store, "images", ("image_id",), set(IMAGES) - {"image_id"})
    if "images" not in ingested.unknown:
        store.connection.execute(_SQL["vanished_images"])
    store.connection.execute(_SQL["delta_reports"])
    _compare(store, "progressions", PROGRESSION_KEY, set(PROGRESSIONS) - set(PROGRESSION_KEY))


def _keep_unknown(store: Store, ingested: Ingested) -> None:
    """Take from the store what these files say nothing about: an ingest without dates must not wipe dates."""
    for column in sorted(ingested.unknown & set(STUDIES)):
        store.connection.execute(
            f'update incoming_studies set "{column}" = studies."{column}" from studies '
            "where studies.study_id = incoming_studies.study_id"
        )
    elsewhere = kept_root(store, ingested) is not None
    columns = ingested.unknown & set(IMAGES) | ({"path", "file_status"} if elsewhere else set())
    for column in sorted(columns, reverse=True):  # the path before the status that decides over it
        # A file that was found has a path, whatever its list says.
        found = " and incoming_images.file_status = 'absent'" if column == "path" else ""
        store.connection.execute(
            f'update incoming_images set "{column}" = images."{column}" from images '
            f"where images.image_id = incoming_images.image_id{found}"
        )


def note_changes(store: Store, sql: str) -> None:
    """Count the studies whose ids a query gives as changed."""
    store.connection.execute(f"insert into changed_studies {sql}")


def _row(table: str, columns: Sequence[str]) -> str:
    return "row(" + ", ".join(f'{table}."{column}"::varchar' for column in columns) + ")"


def _compare(store: Store, table: str, key: tuple[str, ...], facts: Iterable[str], more: str = "") -> None:
    """Make `delta_*` (the key, study_id, is_new) of a table's incoming rows that are new, or differ in their facts."""
    columns, keys = sorted(facts), ", ".join(key)
    own = keys if "study_id" in key else f"{keys}, incoming_{table}.study_id"
    store.connection.execute(
        f"""
        create or replace temporary table delta_{table} as
        select {own}, {table}.study_id is null as is_new
        from incoming_{table} left join {table} using ({keys})
        where {table}.study_id is null
           or {_row(table, columns)} is distinct from {_row(f"incoming_{table}", columns)} {more}
        """
    )


def compare_labels(store: Store, table: LabelTable, finding: str) -> tuple[int, int]:
    """Make `delta_labels` (study_id, value, is_new) of one finding; return how many rows are new and how many differ.

    The table's frame has to be registered as `incoming_labels`.
    """
    store.connection.execute(
        _SQL["delta_labels"], {"labeler": table.labeler, "finding": finding, "version": table.version}
    )
    row = store.rows("select count(*) filter (where is_new), count(*) filter (where not is_new) from delta_labels")[0]
    return int(row[0]), int(row[1])


def findings_of(table: LabelTable) -> list[str]:
    """Return the findings that a label table has columns for."""
    return [column for column in table.frame.columns if column != "study_id"]


def register_labels(store: Store, table: LabelTable) -> None:
    """Let SQL see a label table as `incoming_labels`."""
    store.connection.register("incoming_labels", table.frame.to_arrow())


def has_differences(store: Store, ingested: Ingested) -> bool:
    """Return whether the corpus differs from the store in anything but reports that come in batches."""
    tables = ("delta_studies", "delta_images", "delta_reports", "delta_progressions")
    if any(store.count(f"select count(*) from {table}") for table in tables):
        return True
    if store.count(_SQL["changed_rejects"], {"corpus": ingested.corpus.slug}):
        return True
    for table in ingested.labels:
        register_labels(store, table)
        if any(any(compare_labels(store, table, finding)) for finding in findings_of(table)):
            return True
        if find_vanished_labels(store, table):
            return True
    return False


def find_vanished_labels(store: Store, table: LabelTable) -> int:
    """Make `vanished_labels`: studies that the labeler's file no longer has; return how many there are."""
    store.connection.execute(_SQL["vanished_labels"], {"labeler": table.labeler})
    return store.count("select count(*) from vanished_labels")


def as_rows(frame: pl.DataFrame, run_id: str) -> pl.DataFrame:
    """Return the frame with the run's id in every row."""
    return frame.with_columns(run_id=pl.lit(run_id))
