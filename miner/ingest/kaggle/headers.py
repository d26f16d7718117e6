"""What only the DICOM headers of a corpus tell: age, sex, view and size, for `cxr ingest rsna|siim --headers`."""

from pathlib import Path

import polars as pl

from cxr.miner.images.facts import NO_PYDICOM, has_pydicom
from cxr.miner.images.workers import all_facts
from cxr.miner.ingest.corpus import IMAGES, STUDIES, conform
from cxr.miner.kit.errors import SettingsError
from cxr.schemas.vocabulary import FileStatus

FROM_HEADERS = frozenset({"age", "sex"})
"""Columns of studies that an ingest without headers says nothing about."""


def with_headers(studies: pl.DataFrame, images: pl.DataFrame, root: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Fill age and sex of the studies, and view position, size and status of the images, from the files that are there.

    Each study has one image. Raises SettingsError without pydicom.
    """
    if not has_pydicom():
        raise SettingsError(f"ingest: --headers cannot work: {NO_PYDICOM}")
    there = images.filter(pl.col("file_status") == FileStatus.PRESENT.value).select("study_id", "path")
    facts = all_facts([str(root / path) for path in there["path"]], lambda _done, _total: None)
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
