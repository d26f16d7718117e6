"""The CSV files of MIMIC-CXR(-JPG) as frames: metadata, split, labels; and what of them cannot be read.

Every file is read as text first and cast here, so that a cell that does not read as what it should be is named and
costs nothing but itself (formats.md section 2).
"""

import gzip
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from cxr.miner.ingest.corpus import LabelTable, rejects_frame
from cxr.miner.ingest.read.files import MAX_MEMBER_BYTES, ROW, read_bytes, read_csv
from cxr.miner.ingest.read.frames import LABELS, coded, csv_header, rejects_where, split_name
from cxr.miner.kit.errors import InputError
from cxr.miner.pack.corpora import known_corpus
from cxr.schemas.vocabulary import RejectReason

MIMIC = known_corpus("mimic-cxr")

MAX_TABLE_BYTES = 128 * MAX_MEMBER_BYTES
"""Two gigabytes; the largest table of MIMIC-CXR-JPG unpacks to about 0.1."""

STUDY = "study"
PATIENT = "patient"


class Rows(NamedTuple):
    """A CSV file, its rows with study ids of the store, and rejects with the columns of REJECTS."""

    frame: pl.DataFrame
    rejects: pl.DataFrame
    in_file: int
    """Rows of the file below its header."""


def table_bytes(path: Path) -> bytes:
    """Return a CSV's content, unpacked where it is gzipped.

    Raises InputError for a file that cannot be read, is cut short, or unpacks to far too much.
    """
    data = read_bytes(path)
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        with gzip.open(path) as handle:
            unpacked = handle.read(MAX_TABLE_BYTES + 1)
    except (EOFError, zlib.error, OSError):
        raise InputError(
            f"{path.name} is damaged or ends early; expected a whole gzip file: download it again"
        ) from None
    if len(unpacked) > MAX_TABLE_BYTES:
        raise InputError(f"{path.name} unpacks to more than {MAX_TABLE_BYTES:,} bytes; expected a table of MIMIC-CXR")
    return unpacked


def read_rows(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    key: str = "study_id",
    other_names: Mapping[str, str] = MappingProxyType({}),
) -> Rows:
    """Read a CSV of MIMIC-CXR as text columns; `study` and, where there is a subject_id, `patient` are the store's ids.

    Optional columns that are not there are null. `other_names` are names under which a required column may come.
    Rows without a usable study_id are rejects.
    """
    data = table_bytes(path)
    header = csv_header(data, path.name, f"a CSV with the columns {', '.join(required)}")
    also = {column: other for other, column in other_names.items() if other in header and column not in header}
    wanted = [*(also.get(column, column) for column in required), *(name for name in optional if name in header)]
    table = read_csv(data, path.name, wanted, key=key)
    count = table.frame.height + len(table.rejects)
    frame = table.frame.rename({other: column for column, other in also.items()})
    frame = frame.with_columns(pl.lit(None, pl.String).alias(name) for name in optional if name not in header)
    frame = frame.with_columns(_store_id("study_id", "s").alias(STUDY))
    if "subject_id" in wanted:
        frame = frame.with_columns(_store_id("subject_id", "p").alias(PATIENT))
    shipped = rejects_frame(table.rejects)
    none = rejects_where(
        frame, pl.col("study_id").is_null(), RejectReason.MISSING_KEY, path.name, "the row has no study_id"
    )
    bad = rejects_where(
        frame,
        pl.col("study_id").is_not_null() & pl.col(STUDY).is_null(),
        RejectReason.BAD_VALUE,
        path.name,
        "study_id is not a number of eight digits",
    )
    usable = frame.filter(pl.col(STUDY).is_not_null()) if none.height or bad.height else frame
    return Rows(usable, pl.concat([shipped, none, bad]), count)


def _store_id(column: str, letter: str) -> pl.Expr:
    """Return "mimic-cxr/s50414267" of 50414267, s50414267 or 50414267.0."""
    number = pl.col(column).str.strip_chars().str.extract(rf"^{letter}?(\d{{8}})(?:\.0+)?$", 1)
    return pl.concat_str(pl.lit(f"{MIMIC.slug}/{letter}"), number)


# --- metadata and split ----------------------------------------------------------------------------------------------


def read_metadata(path: Path) -> Rows:
    """Read `mimic-cxr-2.0.0-metadata.csv.gz`: a row per image, with date and time of its study.

    Adds image, width, height, date (null where it does not parse) and time (likewise).
    """
    optional = (
        "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns", "StudyDate", "StudyTime",
        "ViewCodeSequence_CodeMeaning", "PatientOrientationCodeSequence_CodeMeaning",
    )  # fmt: skip
    rows = read_rows(path, ("dicom_id", "subject_id", "study_id"), optional, key="dicom_id")
    frame, rejects = _keyed(rows.frame, "dicom_id", path.name)
    frame = frame.with_columns(
        pl.col("Columns").cast(pl.Float64, strict=False).cast(pl.Int32, strict=False).alias("width"),
        pl.col("Rows").cast(pl.Float64, strict=False).cast(pl.Int32, strict=False).alias("height"),
        date_of(pl.col("StudyDate")).alias("date"),
        time_of(pl.col("StudyTime")).alias("time"),
    )
    first = pl.col(STUDY).is_first_distinct()
    checks = (
        ("Columns", pl.col("width"), pl.lit(value=True), "Columns is no number; the image is kept without it"),
        ("Rows", pl.col("height"), pl.lit(value=True), "Rows is no number; the image is kept without it"),
        ("StudyDate", pl.col("date"), first, "StudyDate is no date YYYYMMDD; the study is kept without it"),
        ("StudyTime", pl.col("time"), first, "StudyTime is no time HHMMSS; the study is kept without time of day"),
    )
    bad = [
        rejects_where(
            frame, pl.col(column).is_not_null() & value.is_null() & once, RejectReason.GAP, path.name, message
        )
        for column, value, once, message in checks
    ]
    raw = ("study_id", "subject_id", "Rows", "Columns", "StudyDate", "StudyTime", ROW)
    return Rows(frame.drop(raw), pl.concat([rows.rejects, rejects, *bad]), rows.in_file)


def date_of(cell: pl.Expr) -> pl.Expr:
    """Return the date of 21800506 or 21800506.0; null where there is none."""
    return cell.str.strip_chars().str.extract(r"^(\d{8})(?:\.0+)?$", 1).str.to_date("%Y%m%d", strict=False)


def time_of(cell: pl.Expr) -> pl.Expr:
    """Return the time of day of 80556.875 (08:05:56.875: a float that lost its leading zeros); null for nonsense."""
    plain = cell.str.strip_chars()
    whole = plain.str.extract(r"^(\d{1,6})(?:\.\d*)?$", 1).str.zfill(6)
    fraction = plain.str.extract(r"\.(\d{1,6})", 1).fill_null("0").str.pad_end(6, "0")
    return (whole + "." + fraction).str.to_time("%H%M%S%.f", strict=False)


def read_split(path: Path) -> Rows:
    """Read `mimic-cxr-2.0.0-split.csv.gz`: a row per image; `split` is train, validate or test."""
    rows = read_rows(path, ("dicom_id", "study_id", "split"), ("subject_id",), key="dicom_id")
    frame, rejects = _keyed(rows.frame, "dicom_id", path.name)
    if PATIENT not in frame.columns:
        frame = frame.with_columns(pl.lit(None, pl.String).alias(PATIENT))
    frame = frame.with_columns(split_name(pl.col("split")).alias("known"))
    bad = rejects_where(
        frame,
        pl.col("known").is_null(),
        RejectReason.GAP,
        path.name,
        "split is none of train, validate, test; the image is kept without it",
    )
    kept = frame.select("dicom_id", STUDY, PATIENT, pl.col("known").alias("split"))
    return Rows(kept, pl.concat([rows.rejects, rejects, bad]), rows.in_file)


def _keyed(frame: pl.DataFrame, key: str, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep the first row of each key."""
    none = rejects_where(frame, pl.col(key).is_null(), RejectReason.MISSING_KEY, name, f"the row has no {key}")
    if none.height:
        frame = frame.filter(pl.col(key).is_not_null())
    message = f"an earlier row has the same {key}; that one was kept"
    again = rejects_where(frame, ~pl.col(key).is_first_distinct(), RejectReason.DUPLICATE_KEY, name, message)
    if again.height:  # else spare a copy of a large frame
        frame = frame.filter(pl.col(key).is_first_distinct())
    return frame, pl.concat([none, again])


# --- labels ----------------------------------------------------------------------------------------------------------


class Labels(NamedTuple):
    """A labeler's file."""

    table: LabelTable
    rejects: pl.DataFrame
    in_file: int


def read_labels(path: Path, labeler: str, studies: pl.Series) -> Labels:
    """Read a file of all label columns, a row per study; `studies` are the study ids that are known.

    Raises InputError where a label has no column. Rows with a cell outside 1, 0, -1 and empty, studies that come
    twice and studies that are not known are rejects.
    """
    rows = read_rows(path, ("study_id", *LABELS), other_names=MIMIC.labels)
    frame, again = _keyed(rows.frame, STUDY, path.name)
    known = pl.col(STUDY).is_in(studies.implode())
    unknown = rejects_where(
        frame, ~known, RejectReason.UNKNOWN_STUDY, path.name, "no report and no image belongs to this study"
    )
    frame = frame.filter(known)
    values, foreign = coded(frame.drop("study_id").rename({STUDY: "study_id"}), LABELS)
    bad = [
        rejects_where(
            frame,
            odd,
            RejectReason.BAD_VALUE,
            path.name,
            f"{label} is none of 1, 0, -1 and empty; all {labeler} labels of the study are left out",
        )
        for label, odd in foreign.items()
    ]
    version = _version(path.name)
    return Labels(LabelTable(labeler, version, values), pl.concat([rows.rejects, again, unknown, *bad]), rows.in_file)


def _version(name: str) -> str | None:
    """Return 2.0.0 of mimic-cxr-2.0.0-chexpert.csv.gz."""
    parts = [part for part in name.split("-") if part[:1].isdigit() and part.count(".") == 2]
    return parts[0] if parts else None
