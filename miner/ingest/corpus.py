"""What every corpus reader gives back, and the columns that it has to have.

A reader is a function that returns an `Ingested`; its parameters are the options of `cxr ingest NAME`. It opens nothing
for writing and never sees the store; `cxr.miner.ingest.write.ingest.ingest` compares what it gives with what the store
holds and writes the difference in one transaction. `cxr ingest ... --dry-run` calls the same reader and prints
`sources`, `counts`, `missing`, `notes` and `rejects` (cxr.miner.ingest.dry_run), so a reader has to be quick as long as
`batches` is not consumed. What is known of a corpus before a file is opened is a `Corpus` (cxr.miner.pack.corpora).

Ids: `study_id` is `<slug>/<the owner's id>` ("openi/CXR12", "mimic-cxr/s50414267"), and so are patient_id and
image_id. A corpus without reports leaves `reports` empty. A study whose report is a reject stays, without one.
Frames may leave out columns, which are then null, except the first two of each.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, NamedTuple

import polars as pl
import typer

from cxr.miner.pack.corpora import Corpus
from cxr.schemas.rejection import Reject as Reject  # noqa: PLC0414 - readers take it from here
from cxr.schemas.vocabulary import Stage

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
    "study_date": pl.Date,
    "demographics": pl.String,
}
"""`study_order` counts a patient's studies in time from 1, equal for studies of one moment; `study_datetime` needs
date and time of day, `study_date` the date alone; `age` in years; `sex` F or M; `demographics` is a JSON object of
whatever else the owner tells about the patient. `row_hash` is null or a hash of what the other columns do not show:
a study counts as changed when any of its columns differs."""

IMAGES: dict[str, pl.DataType | type[pl.DataType]] = {
    "image_id": pl.String,
    "study_id": pl.String,
    "path": pl.String,
    "view": pl.String,
    "view_position": pl.String,
    "width": pl.Int32,
    "height": pl.Int32,
    "file_status": pl.String,
    "procedure": pl.String,
    "view_code": pl.String,
    "orientation": pl.String,
}
"""`path` is relative to `Ingested.image_root`; `view` is a view of the pack, `view_position` the owner's word for it;
width and height in pixels; `file_status` is present or absent (`cxr images check` knows more); procedure, view_code
and orientation (Erect) as the DICOM header gives them."""
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
PROGRESSIONS: dict[str, pl.DataType | type[pl.DataType]] = {
    "study_id": pl.String,
    "prior_study_id": pl.String,
    "finding": pl.String,
    "progression": pl.String,
    "quality": pl.String,
    "labeler": pl.String,
    "corpus": pl.String,
    "image_id": pl.String,
    "prior_image_id": pl.String,
    "source_row": pl.Int64,
}
"""The two studies need not be in the store: MS-CXR-T may come before MIMIC-CXR. `finding` is a label of the pack,
`source_row` the number of the row in the owner's file, the first below the header being 0 (as in CheXinstruct)."""
REJECTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "stage": pl.String,
    "reject_key": pl.String,
    "reason": pl.String,
    "message": pl.String,
}


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


class Count(NamedTuple):
    """Something that was counted, against what the owner publishes."""

    what: str
    found: int
    published: int | None = None
    """None where the owner gives no number."""

    @property
    def warning(self) -> str | None:
        """A sentence that names both numbers where they differ."""
        if self.published is None or self.found == self.published:
            return None
        return f"found {self.found:,} {self.what}; the owner publishes {self.published:,}"


class Missing(NamedTuple):
    """An optional file that is not there, and what will therefore not work."""

    name: str
    consequence: str


@dataclass(frozen=True)
class LabelTable:
    """All labels of one labeler: a row per study, a column per finding.

    `frame` has study_id (each once, no nulls) and Int8 columns named as the pack's labels, or a part of them, with
    1, 0, -1 and null for not mentioned. Rows of studies that are not in `Ingested.studies` must be rejects already.
    """

    labeler: str
    version: str | None
    frame: pl.DataFrame


class ReportBatch(NamedTuple):
    """A part of a large corpus's reports: frames with the columns of REPORTS and REJECTS."""

    reports: pl.DataFrame
    rejects: pl.DataFrame


class Fingerprint(NamedTuple):
    """What decides over the rows of a corpus: equal ones mean that there is nothing to do."""

    corpus: str
    layout: str
    sources: tuple[SourceFile, ...]
    settings: Mapping[str, object]

    @property
    def files(self) -> list[tuple[str, int, str]]:
        """Path, size and hash of each source, in order."""
        return sorted((file.path, file.size, file.sha256) for file in self.sources)


Advance = Callable[[int, int], None]
"""Told (done, total) while something long goes on."""


def _no_rows(schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> Callable[[], pl.DataFrame]:
    return lambda: pl.DataFrame(schema=schema)


@dataclass(frozen=True)
class Ingested:
    """A corpus as frames with the columns of STUDIES, IMAGES, REPORTS, PROGRESSIONS and REJECTS.

    Large corpora give `batches` instead of `reports`: a function that, told where to report progress, yields the
    reports piece by piece, each study once, all of them studies in `studies`.
    """

    corpus: Corpus
    layout: str
    studies: pl.DataFrame = field(default_factory=_no_rows(STUDIES))
    images: pl.DataFrame = field(default_factory=_no_rows(IMAGES))
    reports: pl.DataFrame = field(default_factory=_no_rows(REPORTS))
    rejects: pl.DataFrame = field(default_factory=_no_rows(REJECTS))
    sources: tuple[SourceFile, ...] = ()
    notes: tuple[str, ...] = ()
    """What was ambiguous or odd and what follows from it, a sentence each."""
    labels: tuple[LabelTable, ...] = ()
    progressions: pl.DataFrame = field(default_factory=_no_rows(PROGRESSIONS))
    batches: Callable[[Advance], Iterator[ReportBatch]] | None = None
    report_sources: frozenset[str] = frozenset()
    """Paths of the `sources` that `batches` reads: where they are as they were, it is not consumed."""
    counts: tuple[Count, ...] = ()
    missing: tuple[Missing, ...] = ()
    image_root: Path | None = None
    """The folder that `images.path` is relative to."""
    label_reports: bool = True
    """Whether our labeler labels the reports: the default for corpora that ship no labels."""
    unknown: frozenset[str] = frozenset()
    """What the files at hand say nothing about, so that what the store holds of it stays: columns of studies, columns
    of images ("path" for files that were not found), "images" (one that is not listed is not gone), and "image_root"
    (no image file was found here, so files that were found in another folder are still there)."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """What the user chose and what else decides over the rows: equal settings and sources mean nothing to do."""

    @property
    def fingerprint(self) -> Fingerprint:
        """What these rows were made of."""
        return Fingerprint(self.corpus.slug, self.layout, self.sources, self.settings)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything that the user should know, a sentence each: counts that differ, files that lack, notes."""
        lacking = tuple(f"{name} is missing: {consequence}" for name, consequence in self.missing)
        return (*self.differing, *lacking, *self.notes)

    @property
    def differing(self) -> tuple[str, ...]:
        """A sentence for each count that is not the published one."""
        return tuple(count.warning for count in self.counts if count.warning is not None)


@dataclass(frozen=True)
class Reader:
    """A corpus as `cxr ingest` opens it: what is known of it, and how its files are read."""

    corpus: Corpus
    read: Callable[..., Ingested]
    """Its parameters, with Typer's annotations where they need a help text, are the arguments and options of
    `cxr ingest NAME`. Raises InputError where the files cannot be read."""
    fingerprint: Callable[..., Fingerprint] | None = None
    """Takes the same parameters and says which bytes `read` would read, where that is much quicker than reading."""

    @property
    def about(self) -> str:
        """The help of its command."""
        return self.corpus.about or (self.read.__doc__ or "").partition("\n\n")[0]


LabelToo = Annotated[
    bool, typer.Option("--label", help="Label all reports by our rules too, beside the labels shipped (slow).")
]
"""The option of corpora that ship labels."""


def conform(frame: pl.DataFrame, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """Return the frame with exactly the columns of a schema, in its types; columns that it lacks are null."""
    present = set(frame.columns)
    return frame.select(
        (pl.col(name) if name in present else pl.lit(None)).cast(kind).alias(name) for name, kind in schema.items()
    )


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
