"""Corpora of single images, each a study and a patient of its own, and what only their DICOM headers tell."""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from cxr.miner.images.facts import NO_PYDICOM, has_pydicom
from cxr.miner.images.workers import all_facts
from cxr.miner.ingest.corpus import (
    IMAGES,
    STUDIES,
    Count,
    Ingested,
    LabelTable,
    Missing,
    Reject,
    SourceFile,
    conform,
    rejects_frame,
)
from cxr.miner.kit.errors import SettingsError
from cxr.miner.pack import pack
from cxr.miner.pack.corpora import Corpus
from cxr.schemas.vocabulary import FileStatus

Headers = Annotated[
    bool, typer.Option("--headers", help="Read age, sex, view and size from the DICOM headers (needs cxr[images]).")
]
"""The option of a corpus that ships DICOM files."""

_FROM_HEADERS = frozenset({"age", "sex"})
"""Columns of studies that an ingest without headers says nothing about."""


def single_images(
    corpus: Corpus,
    layout: str,
    images: pl.DataFrame,
    root: Path,
    *,
    headers: bool,
    labels: pl.DataFrame,
    rejects: list[Reject],
    sources: tuple[SourceFile, ...],
    found: dict[str, int],
    missing: tuple[Missing, ...],
) -> Ingested:
    """Return a corpus of images with id, split, path and file_status, all of them frontal; with their headers read.

    `labels` has id and label columns, `found` counts what the owner publishes counts of. Raises SettingsError where
    headers are wanted without pydicom.
    """
    study = pl.format("{}/{}", pl.lit(corpus.slug), "id").alias("study_id")
    studies = images.select(
        study,
        pl.lit(corpus.slug).alias("corpus"),
        pl.col("id").alias("source_id"),
        study.alias("patient_id"),
        "split",
        pl.lit(corpus.licence.value).alias("licence"),
    )
    shown = images.select(
        study.alias("image_id"), study, "path", pl.lit(pack().views.view[0].name).alias("view"), "file_status"
    )
    studies, shown = conform(studies, STUDIES), conform(shown, IMAGES)
    if headers:
        studies, shown = _with_headers(studies, shown, root)
    return Ingested(
        corpus=corpus,
        layout=layout,
        studies=studies,
        images=shown,
        rejects=rejects_frame(rejects),
        sources=sources,
        labels=(LabelTable(corpus.slug, None, labels.select(study, pl.exclude("id"))),),
        counts=tuple(Count(what, count, corpus.published[what]) for what, count in found.items()),
        missing=missing,
        image_root=root,
        settings={"headers": headers},
        unknown=frozenset() if headers else _FROM_HEADERS,
    )


def _with_headers(studies: pl.DataFrame, images: pl.DataFrame, root: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Fill age and sex of the studies, and view position, size and status of the images, from the files there."""
    if not has_pydicom():
        raise SettingsError(f"ingest: --headers cannot work: {NO_PYDICOM}")
    there = images.filter(pl.col("file_status") == FileStatus.PRESENT.value).select("study_id", "path")
    facts = all_facts([str(root / path) for path in there["path"]])
    columns = {
        "status": pl.String, "width": pl.Int32, "height": pl.Int32, "position": pl.String, "age": pl.Float64,
        "sex": pl.String,
    }  # fmt: skip
    rows = [(str(f.status), f.width, f.height, f.view_position, f.age, f.sex) for f in facts]
    found = there.select("study_id").hstack(pl.DataFrame(rows, schema=columns, orient="row"))
    known = studies.drop("age", "sex").join(found, on="study_id", how="left", maintain_order="left")
    shown = images.drop("width", "height").join(found, on="study_id", how="left", maintain_order="left")
    shown = shown.with_columns(
        pl.coalesce("status", "file_status").alias("file_status"),
        pl.coalesce("position", "view_position").alias("view_position"),
    )
    return conform(known, STUDIES), conform(shown, IMAGES)
