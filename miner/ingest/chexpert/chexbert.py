"""CheXbert's labels as CheXpert Plus ships them: JSON Lines in files that end in .json, a line per image."""

from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from cxr.miner.ingest.corpus import LabelTable, Missing, Reject
from cxr.miner.ingest.read.files import ROW
from cxr.miner.ingest.read.frames import LABELS, label_table
from cxr.miner.kit.jsonl import records
from cxr.schemas.vocabulary import RejectReason

LABEL_FOLDER = "chexbert_labels"
LABELERS = {
    "impression_fixed.json": "chexbert",
    "findings_fixed.json": "chexbert-findings",
    "report_fixed.json": "chexbert-report",
}
_SCHEMA = {"path_to_image": pl.String, **dict.fromkeys(LABELS, pl.String)}


def label_files(root: Path) -> dict[str, Path]:
    """Return the label files that are there, by name: in `chexbert_labels` or beside the main table."""
    places = {name: (root / LABEL_FOLDER / name, root / name) for name in LABELERS}
    found = {name: next((path for path in paths if path.is_file()), None) for name, paths in places.items()}
    return {name: path for name, path in found.items() if path is not None}


def read_chexbert(root: Path, images: pl.DataFrame) -> tuple[list[LabelTable], list[Reject], list[Missing]]:
    """Read the label files; `images` has study and image.

    The label of a study is that of its first image: they are the same for all. Lines about unknown images, broken
    lines and values outside the coding are rejects.
    """
    labels: list[LabelTable] = []
    rejects: list[Reject] = []
    missing: list[Missing] = []
    there = label_files(root)
    for name, labeler in LABELERS.items():
        if (path := there.get(name)) is None:
            missing.append(Missing(f"{LABEL_FOLDER}/{name}", f"there are no labels by {labeler}"))
            continue
        rows, broken = _read_lines(path)
        table, odd = _per_study(rows, images, labeler, name)
        labels.append(table)
        rejects += [*broken, *odd]
    return labels, rejects, missing


def _read_lines(path: Path) -> tuple[pl.DataFrame, list[Reject]]:
    try:
        return pl.scan_ndjson(path, schema=_SCHEMA, row_index_name=ROW, row_index_offset=1).collect(), []
    except PolarsError:
        return _line_by_line(path)


def _line_by_line(path: Path) -> tuple[pl.DataFrame, list[Reject]]:
    """Read a file with broken lines: slower, but it knows which."""
    kept: list[dict[str, object]] = []
    rejects: list[Reject] = []
    for number, record in records(path):
        if isinstance(record, dict):
            values = {key: record.get(key) for key in _SCHEMA}
            kept.append({ROW: number, **{k: None if v is None else str(v) for k, v in values.items()}})
        else:
            message = f"line {number} of {path.name} is no JSON object"
            rejects.append(Reject(f"{path.name}:{number}", RejectReason.NOT_JSON, message))
    return pl.DataFrame(kept, schema={ROW: pl.UInt32, **_SCHEMA}), rejects


def _per_study(rows: pl.DataFrame, images: pl.DataFrame, labeler: str, name: str) -> tuple[LabelTable, list[Reject]]:
    joined = rows.with_columns(pl.col("path_to_image").str.strip_chars().alias("image")).join(
        images.select("study", "image"), on="image", how="left", maintain_order="left"
    )
    unknown = joined.filter(pl.col("study").is_null())[ROW]
    message = f"{name}: the image is not in the main table"
    rejects = [Reject(f"{name}:{line}", RejectReason.UNKNOWN_STUDY, message) for line in unknown]
    known = joined.filter(pl.col("study").is_not_null()).unique("study", keep="first", maintain_order=True)
    table, odd = label_table(
        known.with_columns(pl.format("chexpert-plus/{}", "study").alias("study_id")), labeler, name
    )
    return table, [*rejects, *odd]
