"""What every corpus reader gives back, and the columns that it has to have."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from schemas.vocabulary import Licence, RejectReason, Stage

SECTION = pl.Struct({"name": pl.String, "start": pl.Int32, "end": pl.Int32})

STUDIES: dict[str, pl.DataType | type[pl.DataType]] = {
    "study_id": pl.String,
    "corpus": pl.String,
    "source_id": pl.String,
    "patient_id": pl.String,
    "split": pl.String,
    "study_order": pl.Int64,
    "study_datetime": pl.Datetime("us"),
    "age": pl.Float64,
    "sex": pl.String,
    "licence": pl.String,
    "row_hash": pl.String,
}
IMAGES: dict[str, pl.DataType | type[pl.DataType]] = {
    "image_id": pl.String,
    "study_id": pl.String,
    "path": pl.String,
    "view": pl.String,
    "view_position": pl.String,
    "width": pl.Int32,
    "height": pl.Int32,
    "file_status": pl.String,
}
REPORTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "study_id": pl.String,
    "text": pl.String,
    "sections": pl.List(SECTION),
    "findings": pl.String,
    "impression": pl.String,
    "indication": pl.String,
    "comparison": pl.String,
    "text_hash": pl.String,
}
REJECTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "stage": pl.String,
    "reject_key": pl.String,
    "reason": pl.String,
    "message": pl.String,
}


class Reject(NamedTuple):
    """One input row that is not kept. The message never holds report text."""

    key: str
    reason: RejectReason
    message: str


@dataclass(frozen=True)
class SourceFile:
    """A file that was read, for provenance: two runs over equal hashes read the same bytes."""

    path: str
    """Relative to what the user pointed at."""
    size: int
    """Bytes; for a folder of reports the sum over its files."""
    modified: datetime
    """UTC; for a folder of reports the latest of its files."""
    sha256: str


@dataclass(frozen=True)
class Corpus:
    """What is known about a corpus before a file is opened."""

    slug: str
    title: str
    licence: Licence
    published: MappingProxyType[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Counts that the owner prints or that were counted in the owner's files (formats.md)."""


@dataclass(frozen=True)
class Ingested:
    """A corpus as frames with the columns of STUDIES, IMAGES, REPORTS and REJECTS."""

    corpus: Corpus
    layout: str
    studies: pl.DataFrame
    images: pl.DataFrame
    reports: pl.DataFrame
    rejects: pl.DataFrame
    sources: tuple[SourceFile, ...]
    notes: tuple[str, ...] = ()
    """What was missing or ambiguous and what follows from it, a sentence each."""


def rejects_frame(rejects: Iterable[Reject]) -> pl.DataFrame:
    """Return the rejects of the ingest stage as rows."""
    rows = [(Stage.INGEST.value, reject.key, reject.reason.value, reject.message) for reject in rejects]
    return pl.DataFrame(rows, schema=REJECTS, orient="row")


def split_of(patient_id: str) -> str:
    """Return the split of a patient in a corpus that ships none: 80 % train, 10 % validate, 10 % test.

    It depends on the patient alone, so it stays the same when studies are added or left out.
    """
    tenth = int(sha256(patient_id.encode()).hexdigest()[:8], 16) % 10
    return ("validate", "test")[tenth - 8] if tenth >= 8 else "train"


def text_hash(text: str) -> str:
    """Return 32 hexadecimal digits of the SHA-256 of a text."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
