"""Labels and progressions into the store: what is new or differs, noting whose labels changed."""

from cxr.miner.ingest.corpus import LabelTable
from cxr.miner.ingest.write.differences import (
    PROGRESSION_KEY,
    compare_labels,
    find_vanished_labels,
    findings_of,
    note_changes,
    register_labels,
)
from cxr.miner.kit.sql import read_sql
from cxr.miner.language.labeler import LABELER
from cxr.miner.store import Run, Store

_SQL = read_sql("cxr.miner.ingest.write")


def write_labels(store: Store, table: LabelTable, run: Run) -> None:
    """Write one labeler's labels; differences are sought finding by finding, which takes little memory."""
    register_labels(store, table)
    find_vanished_labels(store, table)
    store.connection.execute("insert into relabeled select study_id, ? from vanished_labels", [table.labeler])
    store.connection.execute(
        "delete from labels where labeler = ? and study_id in (select study_id from vanished_labels)", [table.labeler]
    )
    known = "select 1 from labels semi join incoming_labels using (study_id) where labeler = ? limit 1"
    if store.rows(known, [table.labeler]):
        for finding in findings_of(table):
            _replace_labels(store, table, finding, run)
    else:
        findings = findings_of(table)
        columns = ", ".join(f'"{finding}"' for finding in findings)
        rows = f"select study_id, unnest($findings) as finding, unnest([{columns}]) as value from incoming_labels"
        _insert_labels(store, table, rows, {"findings": findings}, run)
    note_changes(store, "select study_id from relabeled")
    store.connection.unregister("incoming_labels")


def _replace_labels(store: Store, table: LabelTable, finding: str, run: Run) -> None:
    new, changed = compare_labels(store, table, finding)
    if changed:
        store.connection.execute(
            "delete from labels where labeler = ? and finding = ? "
            "and study_id in (select study_id from delta_labels where not is_new)",
            [table.labeler, finding],
        )
        store.connection.execute(
            "insert into relabeled select study_id, ? from delta_labels where not is_new", [table.labeler]
        )
    if new or changed:
        rows = "select study_id, $finding as finding, value from delta_labels"
        _insert_labels(store, table, rows, {"finding": finding}, run)


def _insert_labels(store: Store, table: LabelTable, rows: str, named: dict[str, object], run: Run) -> None:
    (written,) = store.rows(
        "insert into labels (study_id, labeler, labeler_version, finding, value, run_id) "
        f"select study_id, $labeler, $version, finding, value, $run from ({rows})",
        {"labeler": table.labeler, "version": table.version, "run": run.run_id, **named},
    )[0]
    run.rows_written += written


def take_labels(store: Store) -> None:
    """Take our labels of the studies in the temporary table `relabel` out of the store, and remember what they were."""
    ours = "labeler = $1 and study_id in (select study_id from relabel)"
    store.connection.execute(
        f"create or replace temporary table former_labels as select study_id, finding, value from labels where {ours}",
        [LABELER],
    )
    store.connection.execute(f"delete from labels where {ours}", [LABELER])


def note_relabeled(store: Store) -> int:
    """Note the studies whose labels of ours differ from what `take_labels` took; return how many had labels before."""
    store.connection.execute(_SQL["note_relabeled"], {"ours": LABELER})
    return store.count(
        "select count(distinct study_id) from former_labels where study_id not in (select study_id from reworded)"
    )


def write_progressions(store: Store, run: Run) -> int:
    """Write the progressions that are new or differ; returns how many."""
    key = ", ".join(PROGRESSION_KEY)
    delta = f"(select {key} from delta_progressions)"
    store.connection.execute(f"delete from progressions where ({key}) in {delta}")
    (written,) = store.rows(
        f"insert into progressions by name select *, ? as run_id from incoming_progressions where ({key}) in {delta}",
        [run.run_id],
    )[0]
    run.rows_written += written
    store.connection.execute("insert into relabeled select study_id, labeler from delta_progressions where not is_new")
    return int(written)
