"""Write a corpus into the store: what is new or changed, in one transaction.

Reports of corpora that ship no labels are labeled by our rules. What was derived from words or labels that changed
(questions, chains, their findings and scores) goes with them.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl

from cxr.miner.ingest.corpus import REJECTS, Advance, Fingerprint, Ingested, ReportBatch
from cxr.miner.ingest.write.coverage import coverage_frame, write_coverage
from cxr.miner.ingest.write.derived import drop_derived, forget_labels
from cxr.miner.ingest.write.differences import as_rows, has_differences, note_changes, stage
from cxr.miner.ingest.write.labels import note_relabeled, take_labels, write_labels, write_progressions
from cxr.miner.ingest.write.licence import demand_no_looser
from cxr.miner.ingest.write.provenance import (
    has_these_reports,
    is_last,
    last_notes,
    provenance,
    reports_hash,
    write_corpus,
)
from cxr.miner.ingest.write.result import IngestResult
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.sql import read_sql
from cxr.miner.language.coverage import coverage
from cxr.miner.language.labeler import LABELER, label
from cxr.miner.language.version import reader_version
from cxr.miner.pack import pack
from cxr.miner.store import Run, Store, demand_folder

_SQL = read_sql("cxr.miner.ingest.write")

LARGE_CORPUS_MEMORY = "224MB"
"""DuckDB's share of a gigabyte while worker processes read reports beside it; more spills to disk."""

_NONE = pl.DataFrame()


def ingest(
    db: Path,
    read: Callable[[], Ingested],
    advance: Advance,
    fingerprint: Fingerprint | Callable[[], Fingerprint] | None = None,
) -> IngestResult:
    """Read a corpus, then write what is new or changed; `advance(done, total)` counts reports.

    Whether the store can be written is asked first. A corpus that cannot be read, or holds no row, raises before
    anything is written; an interrupt leaves the store as it was. Where the last ingest of the corpus had the same
    `fingerprint`, nothing is read.
    """
    if db.exists():
        with Store.write(db, create=True) as store:  # a locked store, or a file that is none, shows before a long read
            made_of = fingerprint() if callable(fingerprint) else fingerprint
            if made_of is not None and is_last(store, made_of):
                return _nothing_to_do(store, made_of)
    else:
        demand_folder(db)
    ingested = demand_rows(read())
    result = IngestResult(ingested.corpus.slug, ingested.layout, notes=ingested.warnings)
    with Store.write(db, create=True) as store:
        if ingested.batches is not None:
            store.connection.execute(f"set memory_limit = '{LARGE_CORPUS_MEMORY}'")
            store.connection.execute("set preserve_insertion_order = false")
        stage(store, ingested)
        demand_no_looser(store, ingested)
        ingested = replace(ingested, studies=_NONE, images=_NONE, reports=_NONE)  # staged: free a tenth of a gigabyte
        kept = store.count(
            "select (select count(*) from incoming_studies) + (select count(*) from incoming_progressions)"
        )
        if ingested.batches is not None or has_differences(store, ingested) or _unlabeled(store, ingested).height:
            with store.run("ingest", provenance(ingested)) as run, store.transaction():
                _write(store, ingested, result, run, advance)
            result.wrote = True
        else:
            result.unchanged = store.count("select count(*) from incoming_studies")
            said = last_notes(store, ingested.corpus.slug)
            result.notes = tuple(note for note in result.notes if note not in said)
        result.rejects = _rejects(store, ingested.corpus.slug)
        result.gaps = _gaps(store, ingested.corpus.slug)
        if not kept:
            result.why = _first_reason(store, ingested.corpus.slug)
    return result


def demand_rows(ingested: Ingested) -> Ingested:
    """Return the corpus; raises InputError where its files hold no row at all, not even a bad one."""
    if ingested.studies.is_empty() and ingested.progressions.is_empty() and ingested.rejects.is_empty():
        files = ", ".join(source.path for source in ingested.sources)
        raise InputError(
            f"{ingested.corpus.slug}: there are no rows in {files}; expected at least one below the header: check that "
            "the file is whole"
        )
    return ingested


def _write(store: Store, ingested: Ingested, result: IngestResult, run: Run, advance: Advance) -> None:
    result.new = store.count("select count(*) from delta_studies where is_new")
    note_changes(store, "select study_id from delta_studies where not is_new union select study_id from delta_images")
    _replace(store, run, "studies", "study_id")
    _replace(store, run, "images", "image_id")
    _write_reports(store, ingested, result, run, advance)
    for table in ingested.labels:
        write_labels(store, table, run)
    result.progressions = write_progressions(store, run)
    forget_labels(store)
    if ingested.label_reports:
        _label(store, ingested, result, run, advance)
    result.removed_chains = drop_derived(store)
    _write_rejects(store, ingested, run)
    write_corpus(store, ingested, run)
    result.changed = store.count(
        "select count(distinct study_id) from changed_studies "
        "where study_id not in (select study_id from delta_studies where is_new)"
    )
    result.unchanged = store.count("select count(*) from incoming_studies") - result.new - result.changed


def _replace(store: Store, run: Run, table: str, key: str) -> None:
    """Put the incoming rows of a table's delta in the place of the standing ones."""
    ids = f"(select {key} from delta_{table})"
    store.connection.execute(f"delete from {table} where {key} in {ids}")
    (written,) = store.rows(
        f"insert into {table} by name select *, ? as run_id from incoming_{table} where {key} in {ids}",
        [run.run_id],
    )[0]
    run.rows_written += written


# --- reports -------------------------------------------------------------------------------------------------------


def _write_reports(store: Store, ingested: Ingested, result: IngestResult, run: Run, advance: Advance) -> None:
    store.connection.execute("insert into reworded select study_id from delta_reports where is_reworded")
    note_changes(store, "select study_id from delta_reports")
    _replace(store, run, "reports", "study_id")
    if ingested.batches is None:
        return
    if has_these_reports(store, ingested):
        _keep_rejected_reports(store, ingested)
        return
    read_as = reports_hash(ingested)
    store.connection.execute(
        "create or replace temporary table standing_reports as select study_id, text_hash from reports "
        "semi join incoming_studies using (study_id)"
    )
    are_first = not store.count("select count(*) from standing_reports")
    for batch in ingested.batches(advance):
        if not are_first or "labels" in batch.reports.columns:
            _write_batch(store, batch, result, run)
        else:
            _write_first_batch(store, batch, run)
        rejects = batch.rejects.select(REJECTS.keys()).with_columns(settings_hash=pl.lit(read_as))
        store.insert("incoming_rejects", rejects)
    note_changes(store, f"select study_id from reports where run_id = '{run.run_id}'")


def _keep_rejected_reports(store: Store, ingested: Ingested) -> None:
    """Keep the rejects that reading these very reports gave the last time."""
    store.connection.execute(
        "insert into incoming_rejects by name select stage, reject_key, reason, message, settings_hash from rejects "
        "where stage = 'ingest' and corpus = ? and settings_hash = ?",
        [ingested.corpus.slug, reports_hash(ingested)],
    )


def _write_first_batch(store: Store, read: ReportBatch, run: Run) -> None:
    """Write a batch of a corpus that has no report in the store: there is nothing to compare it with."""
    batch = read.reports.to_arrow()  # noqa: F841 - see _write_batch
    store.connection.execute("insert into reports by name select *, ? as run_id from batch", [run.run_id])
    run.rows_written += read.reports.height


def _write_batch(store: Store, read: ReportBatch, result: IngestResult, run: Run) -> None:
    # SQL below reads `batch` by its Python name: DuckDB would keep a registered table until the transaction ends.
    batch = read.reports.to_arrow()  # noqa: F841
    execute = store.connection.execute
    execute(_SQL["delta_batch"])
    if store.count("select count(*) from delta_batch where is_reworded"):
        execute("delete from reports where study_id in (select study_id from delta_batch)")
        execute("insert into reworded select study_id from delta_batch where is_reworded")
    written = execute(
        "insert into reports by name select columns(lambda c: c not in ('labels', 'coverage')), ? as run_id from batch "
        "where study_id in (select study_id from delta_batch)",
        [run.run_id],
    ).fetchall()
    run.rows_written += written[0][0]
    if "labels" in read.reports.columns:
        _write_own_labels(store, read.reports.select("study_id", "labels", "coverage"), result, run)


def _write_own_labels(store: Store, labeled: pl.DataFrame, result: IngestResult, run: Run) -> None:
    """Write what the workers read, for reports that have no labels by this version of our labeler."""
    store.replace_temporary("labeled_batch", labeled.drop("coverage"))
    ours: dict[str, object] = {"labeler": LABELER, "version": reader_version()}
    store.connection.execute(_SQL["relabel"], ours)
    take_labels(store)
    named = ours | {"findings": list(pack().label_names), "run": run.run_id}
    (written,) = store.rows(_SQL["write_own_labels"], named)[0]
    run.rows_written += written
    write_coverage(store, labeled.drop("labels").unnest("coverage"), run)
    result.relabeled += note_relabeled(store)


def _unlabeled(store: Store, ingested: Ingested) -> pl.DataFrame:
    """Return the reports of the corpus that should have labels by this version of our labeler and have none."""
    if not ingested.label_reports:
        return pl.DataFrame(schema={"study_id": pl.String, "text": pl.String})
    ours = {"corpus": ingested.corpus.slug, "labeler": LABELER, "version": reader_version()}
    return store.frame(_SQL["unlabeled"], ours)


def _label(store: Store, ingested: Ingested, result: IngestResult, run: Run, advance: Advance) -> None:
    todo = _unlabeled(store, ingested)
    rows: list[tuple[str, str, int | None]] = []
    covered: list[dict[str, object]] = []
    for done, (study_id, text) in enumerate(todo.iter_rows(), start=1):
        rows += [(study_id, str(finding), value) for finding, value in label(text).items()]
        covered.append(coverage(text).row())
        advance(done, todo.height)
    frame = pl.DataFrame(rows, schema={"study_id": pl.Utf8, "finding": pl.Utf8, "value": pl.Int8}, orient="row")
    store.replace_temporary("relabel", todo.select("study_id"))
    take_labels(store)
    labels = frame.with_columns(labeler=pl.lit(LABELER), labeler_version=pl.lit(reader_version()))
    run.rows_written += store.insert("labels", as_rows(labels, run.run_id))
    write_coverage(store, coverage_frame(todo["study_id"], covered), run)
    result.relabeled += note_relabeled(store)
    result.labeled = store.count(
        "select count(distinct study_id) from labels where run_id = ? and labeler = ?", [run.run_id, LABELER]
    )


# --- rejects ------------------------------------------------------------------------------------------------------


def _write_rejects(store: Store, ingested: Ingested, run: Run) -> None:
    """Write the rejects and the gaps, which come together, each into its own table."""
    of = {"corpus": ingested.corpus.slug, "run": run.run_id}
    store.connection.execute("delete from rejects where stage = 'ingest' and corpus = ?", [ingested.corpus.slug])
    store.connection.execute("delete from gaps where stage = 'ingest' and corpus = ?", [ingested.corpus.slug])
    store.connection.execute(_SQL["write_gaps"], of)
    (run.rejects,) = store.rows(_SQL["write_rejects"], of)[0]


def _rejects(store: Store, corpus: str) -> dict[str, int]:
    return dict(
        store.rows(
            "select reason, count(*) from rejects where stage = 'ingest' and corpus = ? "
            "group by reason order by count(*) desc, reason",
            [corpus],
        )
    )


def _gaps(store: Store, corpus: str) -> int:
    return store.count("select count(*) from gaps where stage = 'ingest' and corpus = ?", [corpus])


def _first_reason(store: Store, corpus: str) -> str:
    """Return the commonest reason in words, and one row that it befell."""
    found = store.rows(
        "select reason, min(reject_key), arg_min(message, reject_key) from rejects "
        "where stage = 'ingest' and corpus = ? group by reason order by count(*) desc, reason limit 1",
        [corpus],
    )
    return " ".join(f"{reason} at {_named(key)} ({message})" for reason, key, message in found)


def _named(key: str) -> str:
    """Return a key where it is an id; where columns are mixed up it may be words of a report."""
    return "a row whose key is no id" if len(key.split()) > 1 else key


def _nothing_to_do(store: Store, fingerprint: Fingerprint) -> IngestResult:
    """Say that the store has all this; what the last ingest noted was said then."""
    corpus = fingerprint.corpus
    studies = store.count("select count(*) from studies where corpus = ?", [corpus])
    rejects, gaps = _rejects(store, corpus), _gaps(store, corpus)
    result = IngestResult(corpus, fingerprint.layout, unchanged=studies, rejects=rejects, gaps=gaps)
    if not studies:
        result.why = _first_reason(store, corpus)
    return result
