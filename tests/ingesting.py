"""What came of reading and ingesting a corpus, in a form that tests compare."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from cxr.miner.ingest.corpus import IMAGES, REJECTS, REPORTS, STUDIES, Ingested, conform
from cxr.miner.ingest.mimic.reader import find_mimic, mimic_fingerprint, read_mimic
from cxr.miner.ingest.write.ingest import ingest
from cxr.miner.ingest.write.result import IngestResult
from cxr.miner.pack.corpora import Corpus
from cxr.schemas.vocabulary import Licence


def reports_of(ingested: Ingested) -> pl.DataFrame:
    assert ingested.batches is not None
    return pl.concat([batch.reports for batch in ingested.batches(lambda done, total: None)])


def column(ingested: Ingested, name: str) -> dict[str, object]:
    """Give a column of the studies by their ids at the source."""
    return {str(key): value for key, value in ingested.studies.select("source_id", name).iter_rows()}


def rejected(ingested: Ingested) -> list[tuple[str, str]]:
    """Give the keys and reasons of what was rejected before the reports were read, in order."""
    return sorted(ingested.rejects.select("reject_key", "reason").iter_rows())


def late_rejects(ingested: Ingested) -> list[tuple[str, str]]:
    """Give the keys and reasons of what was rejected while the reports were read."""
    assert ingested.batches is not None
    found = [batch.rejects for batch in ingested.batches(lambda done, total: None)]
    return [row for frame in found for row in frame.select("reject_key", "reason").iter_rows()]


def reasons(ingested: Ingested) -> dict[str, str]:
    """Give why each key was rejected before the reports were read."""
    return dict(rejected(ingested))


def labels_by(ingested: Ingested, labeler: str) -> dict[str, dict[str, int | None]]:
    """Give the labels of one labeler by study."""
    (table,) = [table for table in ingested.labels if table.labeler == labeler]
    return {row.pop("study_id"): row for row in table.frame.to_dicts()}


def read_folder(folder: Path, jpg: Path | None = None) -> Ingested:
    """Read MIMIC-CXR from a folder."""
    return read_mimic(find_mimic(folder, jpg))


def read_in(db: Path, folder: Path, jpg: Path | None = None) -> IngestResult:
    """Ingest MIMIC-CXR from a folder."""
    files = find_mimic(folder, jpg)
    return ingest(db, lambda: read_mimic(files), lambda done, total: None, mimic_fingerprint(files))


def frame(schema: dict[str, pl.DataType | type[pl.DataType]], records: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    return conform(pl.DataFrame(records) if records else pl.DataFrame(schema=schema), schema)


def corpus_of(studies: Sequence[str], **more: Any) -> Ingested:
    """Give a public corpus x of studies with these ids, and no more than what is given beside them."""
    records = [{"study_id": study, "corpus": "x", "source_id": study, "licence": "public"} for study in studies]
    own = Corpus(slug="x", title="X", licence=Licence.PUBLIC)
    empty = (frame(IMAGES, []), frame(REPORTS, []), frame(REJECTS, []))
    return Ingested(own, "made", frame(STUDIES, records), *empty, (), **more)


def rows(db: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(db), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def content(db: Path) -> dict[str, list[tuple[object, ...]]]:
    """Give all that ingest writes into a store."""
    tables = ("studies", "images", "reports", "labels", "progressions", "rejects")
    return {table: rows(db, f"select * from {table} order by all") for table in tables}
