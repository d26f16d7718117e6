"""MS-CXR-T: how findings changed between two studies of MIMIC-CXR (formats.md section 5).

Rows are stored with MIMIC's ids whether or not MIMIC-CXR is in the store; they meet when both are there. The second
file of the release, pairs of sentences, is no part of the store.
"""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from cxr.miner.ingest.corpus import PROGRESSIONS, Count, Ingested, Missing, Reader, conform
from cxr.miner.ingest.mimic.tables import STUDY, read_rows, table_bytes
from cxr.miner.ingest.read.files import ROW, source_file
from cxr.miner.ingest.read.frames import csv_header, rejects_where
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.visible import columns_found
from cxr.miner.pack.corpora import known_corpus
from cxr.schemas.vocabulary import Progression, RejectReason

MS_CXR_T = known_corpus("ms-cxr-t")
QUALITIES = ("one_expert", "multiple_experts", "disagreement")
LABELER = "ms-cxr-t"

_PAIRS = "MS_CXR_T_temporal_image_classification*.csv*"
_SENTENCES = "MS_CXR_T_temporal_sentence_similarity*.csv*"
_SHIPPED_AS = "MS_CXR_T_temporal_image_classification_v1.0.0.csv"


def read_ms_cxr_t(
    path: Annotated[Path, typer.Argument(help="The folder of MS-CXR-T, or its temporal image classification CSV.")],
) -> Ingested:
    """Read the image classification file, given itself or its folder.

    Raises InputError where it is not there or lacks its columns; cells that cannot be used are in `rejects`.
    """
    file = _find(path)
    header = csv_header(table_bytes(file), file.name, _SHIPPED_AS)
    stated = {word: finding for word, finding in MS_CXR_T.labels.items() if f"{word}_progression" in header}
    if not stated:
        raise InputError(
            f"{file.name} has no column such as {next(iter(MS_CXR_T.labels))}_progression "
            f"({columns_found(header)}); expected {_SHIPPED_AS} as PhysioNet ships it"
        )
    quality = {word: name for word in stated if (name := _quality_column(word, header)) is not None}
    rows = read_rows(
        file,
        ("study_id", "previous_study_id", *(f"{word}_progression" for word in stated)),
        ("dicom_id", "previous_dicom_id", *quality.values()),
    )
    pairs, rejects = _pairs(rows.frame, [f"{word}_progression" for word in stated], file.name)
    parts, bad = [], [rows.rejects, rejects]
    for word, finding in stated.items():
        part, part_rejects = _one_finding(pairs, word, finding, quality.get(word), file.name)
        parts.append(part)
        bad.append(part_rejects)
    progressions = pl.concat(parts)
    published = MS_CXR_T.published
    lacking = [f"{word}_progression" for word in MS_CXR_T.labels if word not in stated]
    return Ingested(
        corpus=MS_CXR_T,
        layout="csv",
        rejects=pl.concat(bad),
        sources=(source_file(file, file.parent),),
        notes=tuple(_notes(file)),
        progressions=conform(progressions, PROGRESSIONS),
        counts=(
            Count("pairs of studies", rows.in_file, published["pairs of studies"]),
            Count("progressions", progressions.height, published["progressions"]),
        ),
        missing=tuple(Missing(f"{file.name}: column {name}", "no questions about it") for name in lacking),
        label_reports=False,
    )


def _find(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"{path} does not exist; expected {_SHIPPED_AS} or the folder that holds it")
    if path.is_file():
        return path
    found = sorted(path.glob(_PAIRS))
    if not found:
        raise InputError(f"{path} holds no {_PAIRS}; expected {_SHIPPED_AS}, as PhysioNet's ms-cxr-t ships it")
    return found[-1]


def _quality_column(word: str, header: list[str]) -> str | None:
    names = (f"{word}_label_quality", f"{word}_progression_label_quality")
    return next((name for name in names if name in header), None)


def _notes(file: Path) -> list[str]:
    sentences = sorted(file.parent.glob(_SENTENCES))
    return [f"{one.name} holds pairs of sentences, which the store has no use for: left alone" for one in sentences]


def _pairs(frame: pl.DataFrame, columns: list[str], name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part the rows that name two studies and say something about them from the others."""
    number = pl.col("previous_study_id").str.strip_chars().str.extract(r"^s?(\d{8})(?:\.0+)?$", 1)
    frame = frame.with_columns(pl.concat_str(pl.lit("mimic-cxr/s"), number).alias("prior"))
    problems = (
        (pl.col("previous_study_id").is_null(), RejectReason.MISSING_KEY, "the row has no previous_study_id"),
        (pl.col("prior").is_null(), RejectReason.BAD_VALUE, "previous_study_id is not a number of eight digits"),
        (pl.col("prior") == pl.col(STUDY), RejectReason.BAD_VALUE, "a study cannot be its own prior"),
        (pl.all_horizontal(pl.col(columns).is_null()), RejectReason.BAD_VALUE, "the row states no progression"),
    )
    rejects = []
    for condition, reason, message in problems:
        rejects.append(rejects_where(frame, condition, reason, name, message))
        frame = frame.filter(~condition)
    return frame, pl.concat(rejects)


def _one_finding(
    pairs: pl.DataFrame, word: str, finding: str, quality: str | None, name: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    column = f"{word}_progression"
    said = pairs.filter(pl.col(column).is_not_null()).with_columns(
        pl.col(column).str.strip_chars().str.to_lowercase().alias("progression"),
        (pl.col(quality) if quality else pl.lit(None, pl.String)).str.strip_chars().str.to_lowercase().alias("quality"),
    )
    known = pl.col("progression").is_in([str(value) for value in Progression])
    foreign = pl.col("quality").is_not_null() & ~pl.col("quality").is_in(QUALITIES)
    first = pl.struct(STUDY, "prior").is_first_distinct()
    unknown = f"{column} is none of improving, stable, worsening; it is left out"
    odd = f"the label quality of {column} is none of {', '.join(QUALITIES)}; the progression is kept without it"
    again = f"an earlier row has {column} for the same two studies; that one was kept"
    rejects = [rejects_where(said, ~known, RejectReason.BAD_VALUE, name, unknown)]
    said = said.filter(known)
    rejects.append(rejects_where(said, ~first, RejectReason.DUPLICATE_KEY, name, again))
    said = said.filter(first)
    rejects.append(rejects_where(said, foreign, RejectReason.GAP, name, odd))
    made = said.select(
        pl.col(STUDY).alias("study_id"),
        pl.col("prior").alias("prior_study_id"),
        pl.lit(finding).alias("finding"),
        pl.col("progression"),
        pl.when(~foreign).then(pl.col("quality")).alias("quality"),
        pl.lit(LABELER).alias("labeler"),
        pl.lit(MS_CXR_T.slug).alias("corpus"),
        _image("dicom_id").alias("image_id"),
        _image("previous_dicom_id").alias("prior_image_id"),
        (pl.col(ROW) - 2).alias("source_row"),
    )
    return made, pl.concat(rejects)


def _image(column: str) -> pl.Expr:
    """Return the image's id of `p10/p10002428/s55758034/<dicom>`."""
    return pl.concat_str(pl.lit("mimic-cxr/"), pl.col(column).str.strip_chars().str.split("/").list.last())


CORPUS = Reader(MS_CXR_T, read_ms_cxr_t)
