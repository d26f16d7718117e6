"""Write a corpus into the store: what is new or changed, in one transaction.

Reports of corpora that ship no labels are labeled by our rules. What was derived from words or labels that changed
(questions, chains, their findings and scores) goes with them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from miner.ingest.corpus import REJECTS, Advance, Fingerprint, Ingested, LabelTable, ReportBatch
from miner.ingest.differences import (
    PROGRESSION_KEY,
    as_rows,
    compare_labels,
    findings_of,
    has_differences,
    register_labels,
    stage,
    vanished_labels,
)
from miner.ingest.provenance import has_these_reports, is_last, provenance, write_corpus
from miner.labeler import LABELER, LABELER_VERSION, label
from miner.store import Run, Store
from schemas.vocabulary import Finding14

LARGE_CORPUS_MEMORY = "224MB"
"""DuckDB's share of a gigabyte while worker processes read reports beside it; more spills to disk."""

_NONE = pl.DataFrame()


@dataclass
class IngestResult:
    """What `cxr ingest` did to the store; counts are studies, `progressions` rows."""

    corpus: str
    layout: str
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    labeled: int = 0
    progressions: int = 0
    removed_chains: int = 0
    wrote: bool = False
    notes: tuple[str, ...] = ()
    rejects: dict[str, int] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The result in words."""
        if not (self.new or self.changed or self.labeled or self.progressions):
            there = f"all {self.unchanged:,} studies are" if self.unchanged else "everything is"
            return f"{self.corpus}: nothing to do, {there} in the store already"
        if self.progressions and not (self.new or self.unchanged):
            return f"{self.corpus} ({self.layout} layout): {self.progressions:,} progressions written"
        parts = [f"{self.new:,} new studies", f"{self.changed:,} changed", f"{self.unchanged:,} unchanged"]
        words = f"{self.corpus} ({self.layout} layout): {', '.join(parts)}, {self.labeled:,} reports labeled"
        if self.progressions:
            words += f", {self.progressions:,} progressions written"
        if self.removed_chains:
            words += f"; {self.removed_chains:,} chains of changed reports were removed, mine them again"
        return words


def ingest(
    db: Path, read: Callable[[], Ingested], advance: Advance, fingerprint: Fingerprint | None = None
) -> IngestResult:
    """Read a corpus, then write what is new or changed; `advance(done, total)` counts reports.

    A corpus that cannot be read raises before the store is touched; an interrupt leaves the store as it was. Where
    the last ingest of the corpus had the same `fingerprint`, nothing is read.
    """
    if fingerprint is not None and db.exists():
        with Store.write(db) as store:
            if is_last(store, fingerprint):
                return _nothing_to_do(store, fingerprint)
    ingested = read()
    result = IngestResult(ingested.corpus.slug, ingested.layout, notes=ingested.warnings)
    with Store.write(db, create=True) as store:
        if ingested.batches is not None:
            store.connection.execute(f"set memory_limit = '{LARGE_CORPUS_MEMORY}'")
            store.connection.execute("set preserve_insertion_order = false")
        stage(store, ingested)
        ingested = replace(ingested, studies=_NONE, images=_NONE, reports=_NONE)  # staged: free a tenth of a gigabyte
        if ingested.batches is not None or has_differences(store, ingested) or _unlabeled(store, ingested).height:
            with store.run("ingest", provenance(ingested)) as run, store.transaction():
                _write(store, ingested, result, run, advance)
            result.wrote = True
        else:
            result.unchanged = store.count("select count(*) from incoming_studies")
        result.rejects = _rejects(store, ingested.corpus.slug)
    return result


def _write(store: Store, ingested: Ingested, result: IngestResult, run: Run, advance: Advance) -> None:
    result.new = store.count("select count(*) from delta_studies where is_new")
    _note_changes(store, "select study_id from delta_studies where not is_new union select study_id from delta_images")
    _replace(store, run, "studies", "study_id")
    _replace(store, run, "images", "image_id")
    _write_reports(store, ingested, run, advance)
    for table in ingested.labels:
        _write_labels(store, table, run)
    _write_progressions(store, result, run)
    result.removed_chains = _drop_derived(store)
    if ingested.label_reports:
        _label(store, ingested, result, run, advance)
    _write_rejects(store, ingested, run)
    write_corpus(store, ingested, run)
    result.changed = store.count(
        "select count(distinct study_id) from changed_studies "
        "where study_id not in (select study_id from delta_studies where is_new)"
    )
    result.unchanged = store.count("select count(*) from incoming_studies") - result.new - result.changed


def _note_changes(store: Store, sql: str) -> None:
    store.connection.execute(f"insert into changed_studies {sql}")


def _replace(store: Store, run: Run, table: str, key: str) -> None:
    """Put the incoming rows of a table's delta in the place of the standing ones."""
    ids = f"(select {key} from delta_{table})"
    columns = ", ".join(f'"{name}"' for name in store.frame(f"select * from incoming_{table} limit 0").columns)
    store.connection.execute(f"delete from {table} where {key} in {ids}")
    (written,) = store.rows(
        f"insert into {table} ({columns}, run_id) select {columns}, ? from incoming_{table} where {key} in {ids}",
        [run.run_id],
    )[0]
    run.rows_written += written


# --- reports -------------------------------------------------------------------------------------------------------


def _write_reports(store: Store, ingested: Ingested, run: Run, advance: Advance) -> None:
    store.connection.execute("insert into reworded select study_id from delta_reports where is_reworded")
    _note_changes(store, "select study_id from delta_reports")
    _replace(store, run, "reports", "study_id")
    if ingested.batches is None:
        return
    if has_these_reports(store, ingested):
        _keep_rejected_reports(store, ingested.corpus.slug)
        return
    store.connection.execute(
        "create or replace temporary table standing_reports as select study_id, text_hash from reports "
        "semi join incoming_studies using (study_id)"
    )
    are_first = not store.count("select count(*) from standing_reports")
    for batch in ingested.batches(advance):
        if not are_first or "labels" in batch.reports.columns:
            _write_batch(store, batch, run)
        else:
            _write_first_batch(store, batch, run)
    _note_changes(store, f"select study_id from reports where run_id = '{run.run_id}'")


def _keep_rejected_reports(store: Store, corpus: str) -> None:
    """Keep the rejects that reading the reports gave the last time: a report's key is its file's name."""
    store.connection.execute(
        "insert into incoming_rejects by name select stage, reject_key, reason, message from rejects "
        "where stage = 'ingest' and corpus = ? and reject_key like '%.txt' "
        "and reject_key not in (select reject_key from incoming_rejects)",
        [corpus],
    )


def _write_first_batch(store: Store, read: ReportBatch, run: Run) -> None:
    """Write a batch of a corpus that has no report in the store: there is nothing to compare it with."""
    batch = read.reports.to_arrow()  # noqa: F841 - see _write_batch
    columns = ", ".join(f'"{name}"' for name in read.reports.columns)
    store.connection.execute(f"insert into reports ({columns}, run_id) select {columns}, ? from batch", [run.run_id])
    run.rows_written += read.reports.height
    store.insert("incoming_rejects", read.rejects.select(REJECTS.keys()))


def _write_batch(store: Store, read: ReportBatch, run: Run) -> None:
    # SQL below reads `batch` by its Python name: DuckDB would keep a registered table until the transaction ends.
    batch = read.reports.to_arrow()  # noqa: F841
    execute = store.connection.execute
    execute(
        "create or replace temporary table delta_batch as "
        "select study_id, standing_reports.study_id is not null as is_reworded "
        "from batch left join standing_reports using (study_id) "
        "where standing_reports.text_hash is distinct from batch.text_hash"
    )
    if store.count("select count(*) from delta_batch where is_reworded"):
        execute("delete from reports where study_id in (select study_id from delta_batch)")
        execute("insert into reworded select study_id from delta_batch where is_reworded")
    columns = ", ".join(f'"{name}"' for name in read.reports.columns if name != "labels")
    written = execute(
        f"insert into reports ({columns}, run_id) select {columns}, ? from batch "
        "where study_id in (select study_id from delta_batch)",
        [run.run_id],
    ).fetchall()
    run.rows_written += written[0][0]
    if "labels" in read.reports.columns:
        _write_own_labels(store, read.reports.select("study_id", "labels"), run)
    store.insert("incoming_rejects", read.rejects.select(REJECTS.keys()))


def _write_own_labels(store: Store, labeled: pl.DataFrame, run: Run) -> None:
    """Write the labels that the workers derived, for reports that have none by this version of our labeler."""
    store.replace_temporary("labeled_batch", labeled)
    store.connection.execute(
        "create or replace temporary table relabel as select study_id from labeled_batch anti join "
        "(select study_id from labels where labeler = ? and labeler_version = ?) using (study_id) "
        "union select study_id from delta_batch",
        [LABELER, LABELER_VERSION],
    )
    store.connection.execute(
        "delete from labels where labeler = ? and study_id in (select study_id from relabel)", [LABELER]
    )
    (written,) = store.rows(
        "insert into labels (study_id, labeler, labeler_version, finding, value, run_id) "
        "select study_id, $labeler, $version, unnest($findings), unnest(labels), $run from labeled_batch "
        "where study_id in (select study_id from relabel)",
        {
            "labeler": LABELER,
            "version": LABELER_VERSION,
            "findings": [str(finding) for finding in Finding14],
            "run": run.run_id,
        },
    )[0]
    run.rows_written += written


# --- labels and progressions -----------------------------------------------------------------------------------------


def _write_labels(store: Store, table: LabelTable, run: Run) -> None:
    """Write one labeler's labels; differences are sought finding by finding, which takes little memory."""
    register_labels(store, table)
    vanished = f"select study_id from ({vanished_labels()})"
    store.connection.execute(
        f"insert into relabeled select study_id, $1 from ({vanished.replace('?', '$1')})", [table.labeler]
    )
    store.connection.execute(
        f"delete from labels where labeler = $1 and study_id in ({vanished.replace('?', '$1')})", [table.labeler]
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
    _note_changes(store, "select study_id from relabeled")
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


def _write_progressions(store: Store, result: IngestResult, run: Run) -> None:
    key = ", ".join(PROGRESSION_KEY)
    delta = f"(select {key} from delta_progressions)"
    store.connection.execute(f"delete from progressions where ({key}) in {delta}")
    columns = ", ".join(store.frame("select * from incoming_progressions limit 0").columns)
    (written,) = store.rows(
        f"insert into progressions ({columns}, run_id) select {columns}, ? from incoming_progressions "
        f"where ({key}) in {delta}",
        [run.run_id],
    )[0]
    run.rows_written += written
    result.progressions = written
    store.connection.execute("insert into relabeled select study_id, labeler from delta_progressions where not is_new")


def _drop_derived(store: Store) -> int:
    """Delete the questions that rest on other words, labels or progressions than before, and all that came of them.

    Returns the number of chains that went. Questions follow their study into another split.
    """
    store.connection.execute(
        """
        create or replace temporary table stale_questions as
        select question_id from questions
        where study_id in (select study_id from reworded) or prior_study_id in (select study_id from reworded)
           or (study_id, labeler) in (select (study_id, labeler) from relabeled)
        """
    )
    chains = "(select chain_id from chains where question_id in (select question_id from stale_questions))"
    removed = store.count(f"select count(*) from {chains}")
    for table in ("findings", "scores", "chains"):
        store.connection.execute(f"delete from {table} where chain_id in {chains}")
    store.connection.execute("delete from questions where question_id in (select question_id from stale_questions)")
    store.connection.execute(
        "delete from labels where labeler = ? and study_id in (select study_id from reworded)", [LABELER]
    )
    store.connection.execute(
        "update questions set split = studies.split from studies semi join delta_studies using (study_id) "
        "where questions.study_id = studies.study_id and questions.split is distinct from studies.split"
    )
    return removed


def _unlabeled(store: Store, ingested: Ingested) -> pl.DataFrame:
    """Give the reports of the corpus that should have labels by this version of our labeler and have none."""
    if not ingested.label_reports:
        return pl.DataFrame(schema={"study_id": pl.String, "text": pl.String})
    return store.frame(
        "select study_id, text from reports semi join (select study_id from studies where corpus = ?) using (study_id) "
        "anti join (select study_id from labels where labeler = ? and labeler_version = ?) using (study_id) "
        "order by study_id",
        [ingested.corpus.slug, LABELER, LABELER_VERSION],
    )


def _label(store: Store, ingested: Ingested, result: IngestResult, run: Run, advance: Advance) -> None:
    todo = _unlabeled(store, ingested)
    rows: list[tuple[str, str, int | None]] = []
    for done, (study_id, text) in enumerate(todo.iter_rows(), start=1):
        rows += [(study_id, str(finding), value) for finding, value in label(text).items()]
        advance(done, todo.height)
    frame = pl.DataFrame(rows, schema={"study_id": pl.Utf8, "finding": pl.Utf8, "value": pl.Int8}, orient="row")
    store.replace_temporary("relabel", todo.select("study_id"))
    store.connection.execute(
        "delete from labels where labeler = ? and study_id in (select study_id from relabel)", [LABELER]
    )
    labels = frame.with_columns(labeler=pl.lit(LABELER), labeler_version=pl.lit(LABELER_VERSION))
    run.rows_written += store.insert("labels", as_rows(labels, run.run_id))
    result.labeled = store.count(
        "select count(distinct study_id) from labels where run_id = ? and labeler = ?", [run.run_id, LABELER]
    )


# --- rejects ------------------------------------------------------------------------------------------------------


def _write_rejects(store: Store, ingested: Ingested, run: Run) -> None:
    corpus = ingested.corpus.slug
    store.connection.execute("delete from rejects where stage = 'ingest' and corpus = ?", [corpus])
    (run.rejects,) = store.rows(
        "insert into rejects (stage, reject_key, reason, message, corpus, run_id) "
        "select stage, reject_key, reason, message, ?, ? from incoming_rejects",
        [corpus, run.run_id],
    )[0]


def _rejects(store: Store, corpus: str) -> dict[str, int]:
    return dict(
        store.rows(
            "select reason, count(*) from rejects where stage = 'ingest' and corpus = ? "
            "group by reason order by count(*) desc, reason",
            [corpus],
        )
    )


def _nothing_to_do(store: Store, fingerprint: Fingerprint) -> IngestResult:
    studies = store.count("select count(*) from studies where corpus = ?", [fingerprint.corpus])
    notes = [
        tuple(notes) for (notes,) in store.rows("select notes from corpora where corpus = ?", [fingerprint.corpus])
    ]
    return IngestResult(
        fingerprint.corpus,
        fingerprint.layout,
        unchanged=studies,
        notes=notes[0] if notes else (),
        rejects=_rejects(store, fingerprint.corpus),
    )
