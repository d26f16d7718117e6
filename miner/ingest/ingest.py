"""Write a corpus into the store: what is new or changed, in one transaction, its reports labeled by our rules."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from miner.ingest.corpus import Ingested
from miner.labeler import LABELER, LABELER_VERSION, label
from miner.store import Run, Store

# Everything that was derived from a report's words and cannot outlive them.
_DERIVED = ("findings", "scores", "chains", "questions")


@dataclass
class IngestResult:
    """What `cxr ingest` did to the store; counts are studies."""

    corpus: str
    layout: str
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    labeled: int = 0
    removed_chains: int = 0
    notes: tuple[str, ...] = ()
    rejects: dict[str, int] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The result in words."""
        if not (self.new or self.changed or self.labeled):
            return f"{self.corpus}: nothing to do, all {self.unchanged:,} studies are in the store as they are"
        parts = [f"{self.new:,} new studies", f"{self.changed:,} changed", f"{self.unchanged:,} unchanged"]
        words = f"{self.corpus} ({self.layout} layout): {', '.join(parts)}, {self.labeled:,} reports labeled"
        if self.removed_chains:
            words += f"; {self.removed_chains:,} chains of changed reports were removed, mine them again"
        return words


def ingest(db: Path, read: Callable[[], Ingested], advance: Callable[[int, int], None]) -> IngestResult:
    """Read a corpus, then write what is new or changed; `advance(done, total)` counts labeled reports.

    A corpus that cannot be read raises before the store is touched; an interrupt leaves the store as it was.
    """
    ingested = read()
    result = IngestResult(ingested.corpus.slug, ingested.layout, notes=ingested.notes)
    with Store.write(db, create=True) as store:
        _compare(store, ingested, result)
        if result.new or result.changed or _unlabeled(store).height or _rejects_differ(store, ingested):
            with store.run("ingest", _provenance(ingested)) as run, store.transaction():
                _write(store, result, run)
                _label(store, result, run, advance)
                _write_rejects(store, ingested, run)
        result.rejects = dict(
            store.rows(
                "select reason, count(*) from rejects where stage = 'ingest' and corpus = ? "
                "group by reason order by count(*) desc, reason",
                [ingested.corpus.slug],
            )
        )
    return result


def _provenance(ingested: Ingested) -> dict[str, object]:
    files = [
        {"path": file.path, "size": file.size, "modified": file.modified.isoformat(), "sha256": file.sha256}
        for file in ingested.sources
    ]
    return {"corpus": ingested.corpus.slug, "layout": ingested.layout, "files": files, "notes": list(ingested.notes)}


def _compare(store: Store, ingested: Ingested, result: IngestResult) -> None:
    """Make temporary tables of the corpus, and `touched`: the studies to write, and whether their words changed."""
    store.replace_temporary("incoming_studies", ingested.studies)
    store.replace_temporary("incoming_reports", ingested.reports)
    store.replace_temporary("incoming_images", ingested.images)
    store.connection.execute(
        """
        create or replace temporary table touched as
        select study_id, studies.study_id is null as is_new,
               reports.text_hash is distinct from incoming_reports.text_hash as new_words
        from incoming_studies left join studies using (study_id)
        left join reports using (study_id) left join incoming_reports using (study_id)
        where studies.study_id is null or studies.row_hash <> incoming_studies.row_hash
        """
    )
    result.new = store.count("select count(*) from touched where is_new")
    result.changed = store.count("select count(*) from touched where not is_new")
    result.unchanged = ingested.studies.height - result.new - result.changed


def _write(store: Store, result: IngestResult, run: Run) -> None:
    reworded = "(select study_id from touched where not is_new and new_words)"
    result.removed_chains = store.count(f"select count(*) from chains where study_id in {reworded}")
    for table in _DERIVED:
        owner = "study_id" if table in {"chains", "questions"} else "chain_id"
        inside = reworded if owner == "study_id" else f"(select chain_id from chains where study_id in {reworded})"
        store.connection.execute(f"delete from {table} where {owner} in {inside}")
    store.connection.execute(f"delete from labels where labeler = ? and study_id in {reworded}", [LABELER])
    for table in ("studies", "reports", "images"):
        incoming = store.frame(f"select incoming_{table}.* from incoming_{table} semi join touched using (study_id)")
        store.connection.execute(f"delete from {table} where study_id in (select study_id from touched)")
        run.rows_written += store.insert(table, incoming.with_columns(run_id=pl.lit(run.run_id)))


def _unlabeled(store: Store) -> pl.DataFrame:
    """Give the reports without labels by this version of our labeler."""
    return store.frame(
        "select study_id, text from reports anti join "
        "(select study_id from labels where labeler = ? and labeler_version = ?) using (study_id) order by study_id",
        [LABELER, LABELER_VERSION],
    )


def _label(store: Store, result: IngestResult, run: Run, advance: Callable[[int, int], None]) -> None:
    todo = _unlabeled(store)
    rows: list[tuple[str, str, int | None]] = []
    for done, (study_id, text) in enumerate(todo.iter_rows(), start=1):
        rows += [(study_id, str(finding), value) for finding, value in label(text).items()]
        advance(done, todo.height)
    frame = pl.DataFrame(rows, schema={"study_id": pl.Utf8, "finding": pl.Utf8, "value": pl.Int8}, orient="row")
    store.replace_temporary("relabeled", todo.select("study_id"))
    store.connection.execute(
        "delete from labels where labeler = ? and study_id in (select study_id from relabeled)", [LABELER]
    )
    labels = frame.with_columns(
        labeler=pl.lit(LABELER), labeler_version=pl.lit(LABELER_VERSION), run_id=pl.lit(run.run_id)
    )
    run.rows_written += store.insert("labels", labels)
    result.labeled = todo.height


def _rejects_differ(store: Store, ingested: Ingested) -> bool:
    standing = store.rows(
        "select reject_key, reason from rejects where stage = 'ingest' and corpus = ? order by all",
        [ingested.corpus.slug],
    )
    return standing != sorted(ingested.rejects.select("reject_key", "reason").iter_rows())


def _write_rejects(store: Store, ingested: Ingested, run: Run) -> None:
    store.connection.execute("delete from rejects where stage = 'ingest' and corpus = ?", [ingested.corpus.slug])
    rows = ingested.rejects.with_columns(corpus=pl.lit(ingested.corpus.slug), run_id=pl.lit(run.run_id))
    run.rejects = store.insert("rejects", rows)
