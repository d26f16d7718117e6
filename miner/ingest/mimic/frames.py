"""Studies and images of MIMIC-CXR as frames, from what its reports, metadata and split say of them."""

import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import polars as pl

from cxr.miner.ingest.corpus import IMAGES, STUDIES, SourceFile, conform
from cxr.miner.ingest.mimic.tables import MIMIC, PATIENT, STUDY, Rows
from cxr.miner.ingest.read.frames import status_of, view_of

_SUFFIXES = (".jpg", ".png", ".dcm")


# --- studies ---------------------------------------------------------------------------------------------------------


def studies_of(reports: pl.DataFrame, metadata: Rows | None, split: Rows | None) -> pl.DataFrame:
    """Return every study that has a report or an image, once; the patient is the report's, else the image's."""
    parts = [reports]
    if metadata is not None:
        parts.append(metadata.frame.select(STUDY, PATIENT, "date", "time"))
    if split is not None:
        parts.append(split.frame.select(STUDY, PATIENT, "split"))
    blank = pl.DataFrame(schema={"date": pl.Date, "time": pl.Time, "split": pl.String})
    rows = (
        pl.concat([*parts, blank], how="diagonal")
        .group_by(STUDY)
        .agg(pl.col(name).drop_nulls().first() for name in (PATIENT, "date", "time", "split"))
        .sort(STUDY)
    )
    moment = pl.when(pl.col("time").is_not_null()).then(pl.col("date").dt.combine(pl.col("time")))
    order = pl.coalesce(moment, pl.col("date").cast(pl.Datetime("us"))).rank("dense").over(PATIENT)
    frame = rows.select(
        pl.col(STUDY).alias("study_id"),
        pl.lit(MIMIC.slug).alias("corpus"),
        _own_id(STUDY).alias("source_id"),
        pl.col(PATIENT).alias("patient_id"),
        pl.col("split"),
        pl.when(pl.col(PATIENT).is_not_null()).then(order).alias("study_order"),
        moment.alias("study_datetime"),
        pl.lit(MIMIC.licence.value).alias("licence"),
        pl.col("date").alias("study_date"),
    )
    return conform(frame, STUDIES)


def _own_id(column: str) -> pl.Expr:
    """Return s50414267 of mimic-cxr/s50414267."""
    return pl.col(column).str.strip_prefix(f"{MIMIC.slug}/")


# --- images ----------------------------------------------------------------------------------------------------------


class Images(NamedTuple):
    """Images with the columns of IMAGES, and in the same order their paths without suffix and whether they exist."""

    frame: pl.DataFrame
    stems: pl.Series
    present: pl.Series


def listed_images(metadata: Rows | None, split: Rows | None) -> pl.DataFrame:
    """Return a row per image that metadata or split list, with `stem`, its path without the suffix."""
    parts = []
    if metadata is not None:
        parts.append(metadata.frame.drop("date", "time"))
    if split is not None:
        others = split.frame.select("dicom_id", STUDY, PATIENT)
        known = parts[0] if parts else pl.DataFrame(schema={"dicom_id": pl.String})
        parts.append(others.join(known.select("dicom_id"), on="dicom_id", how="anti", maintain_order="left"))
    blank = pl.DataFrame(schema=dict.fromkeys(("dicom_id", STUDY, PATIENT), pl.String))
    rows = pl.concat([*parts, blank], how="diagonal")
    patient = _own_id(PATIENT)
    stem = pl.format("files/{}/{}/{}/{}", patient.str.slice(0, 3), patient, _own_id(STUDY), pl.col("dicom_id"))
    return rows.with_columns(stem.alias("stem"))


def images_of(listed: pl.DataFrame, root: Path) -> Images:
    """Return the listed images with what is there of their files under `root`."""
    suffix, present = present_files(root, listed["stem"])
    named = {
        "ViewPosition": "view_position",
        "PerformedProcedureStepDescription": "procedure",
        "ViewCodeSequence_CodeMeaning": "view_code",
        "PatientOrientationCodeSequence_CodeMeaning": "orientation",
    }
    rows = listed.rename(named, strict=False)
    frame = rows.with_columns(
        pl.format(f"{MIMIC.slug}/{{}}", pl.col("dicom_id")).alias("image_id"),
        pl.col(STUDY).alias("study_id"),
        (pl.col("stem") + suffix).alias("path"),
        *([view_of(pl.col("view_position")).alias("view")] if "view_position" in rows.columns else []),
        status_of(present),
    )
    return Images(conform(frame, IMAGES), listed["stem"], present)


def present_files(root: Path, stems: pl.Series) -> tuple[str, pl.Series]:
    """Return how image files end here, and which of them are there."""
    if not (root / "files").is_dir():
        return _SUFFIXES[0], pl.repeat(value=False, n=len(stems), dtype=pl.Boolean, eager=True)
    some = stems.head(200).drop_nulls().to_list()
    suffix = next((end for end in _SUFFIXES if any(os.path.exists(f"{root}/{stem}{end}") for stem in some)), ".jpg")  # noqa: PTH110
    # Plain strings and os.path: a third of a million Path objects would take longer than the rest of the ingest.
    there = [stem is not None and os.path.exists(f"{root}/{stem}{suffix}") for stem in stems]  # noqa: PTH110
    return suffix, pl.Series(values=there, dtype=pl.Boolean)


def presence_source(stems: pl.Series, present: pl.Series) -> SourceFile:
    """Describe which image files are there: when others come, the images have to be written again."""
    digest = sha256("\n".join(stems.filter(present)).encode()).hexdigest()
    return SourceFile("files/p*/p*/s*/*", 0, datetime.fromtimestamp(0, UTC), digest)
