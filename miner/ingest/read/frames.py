"""Frames that every table-shaped corpus is built from: texts with offsets, views, cells that do not parse, hashes."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import polars as pl

from cxr.miner.ingest.corpus import REJECTS, SECTION, LabelTable, Reject, text_hash
from cxr.miner.ingest.read.files import ROW
from cxr.miner.ingest.read.members import COLUMNS
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.parallel import ordered_map
from cxr.miner.pack import pack
from cxr.schemas.vocabulary import FileStatus, RejectReason, Stage

LABELS = pack().label_names
"""The labels of the pack: what label columns are called."""


def view_of(code: pl.Expr) -> pl.Expr:
    """Return the pack's view of a position code ("PA", "LL"): the last for an unknown code, null where it is null."""
    plain = code.str.strip_chars().str.to_lowercase()
    views = pack().views.view
    name: pl.Expr = pl.when(plain.is_not_null()).then(pl.lit(views[-1].name))
    for view in reversed(views[:-1]):
        name = pl.when(plain.is_in(view.words)).then(pl.lit(view.name)).otherwise(name)
    return name


def sex_of(word: pl.Expr) -> pl.Expr:
    """Return M or F of Male, female, m ...; null for anything else."""
    first = word.str.strip_chars().str.to_uppercase().replace({"MALE": "M", "FEMALE": "F"})
    return pl.when(first.is_in(["M", "F"])).then(first)


def split_name(word: pl.Expr) -> pl.Expr:
    """Return train, validate or test of the usual spellings; null for anything else."""
    plain = word.str.strip_chars().str.to_lowercase()
    names = {"training": "train", "val": "validate", "valid": "validate", "validation": "validate", "dev": "validate"}
    known = plain.replace({**names, "testing": "test"})
    return pl.when(known.is_in(["train", "validate", "test"])).then(known)


def years_of(cell: pl.Expr) -> pl.Expr:
    """Return an age in years; null for anything that no age is."""
    years = cell.str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(years.is_between(0, 130)).then(years)


def coded(rows: pl.DataFrame, labels: Sequence[str]) -> tuple[pl.DataFrame, dict[str, pl.Series]]:
    """Return study_id and the label columns as 1, 0, -1 and null, and which rows of a column hold something else.

    A row with such a cell is left out as a whole: a null there would say "not mentioned", which counts as a negative.
    """
    numbers = {label: pl.col(label).str.strip_chars().cast(pl.Float64, strict=False) for label in labels}
    values = rows.select(
        "study_id",
        *(
            pl.when(number.is_in([-1.0, 0.0, 1.0])).then(number.cast(pl.Int8, strict=False)).alias(label)
            for label, number in numbers.items()
        ),
    )
    foreign: dict[str, pl.Series] = {}
    for label in labels:
        if values[label].null_count() > rows[label].null_count():
            words = rows[label].str.strip_chars().str.to_lowercase()
            odd = ~words.is_in(["", "nan", "null", "na"]).fill_null(value=True) & values[label].is_null()
            foreign |= {label: odd} if odd.any() else {}
    if foreign:
        values = values.filter(~pl.DataFrame(foreign).select(pl.any_horizontal(pl.all())).to_series())
    return values, foreign


def label_table(rows: pl.DataFrame, labeler: str, name: str) -> tuple[LabelTable, list[Reject]]:
    """Turn text cells (study_id, and columns named as labels) into a table of labels, with a reject per odd cell."""
    values, foreign = coded(rows, [label for label in LABELS if label in rows.columns])
    rejects = [
        Reject(
            f"{study.partition('/')[2]}:{label}",
            RejectReason.BAD_VALUE,
            f"{name}: the label for {label} is none of 1, 0, -1 and blank; the study's labels were left out",
        )
        for label, odd in foreign.items()
        for study in rows.filter(odd)["study_id"]
    ]
    return LabelTable(labeler, None, values), rejects


def rejects_where(
    frame: pl.DataFrame, condition: pl.Expr | pl.Series, reason: RejectReason, name: str, message: str
) -> pl.DataFrame:
    """Return a reject for every row that a condition holds for; its key is file and row number."""
    return frame.filter(condition).select(
        pl.lit(Stage.INGEST.value).alias("stage"),
        pl.format("{}:{}", pl.lit(name), pl.col(ROW)).alias("reject_key"),
        pl.lit(reason.value).alias("reason"),
        pl.lit(f"{name}: {message}").alias("message"),
    ).cast(pl.Schema(REJECTS))  # fmt: skip


def unreadable_cells(
    frame: pl.DataFrame, key: str, read: Mapping[str, pl.Expr], expected: Mapping[str, str], name: str
) -> list[Reject]:
    """Return a gap for every cell that holds something which `read` could not make sense of.

    The row itself is kept without that cell. `read` gives per column the value made of it, `expected` says in words
    what would have been right.
    """
    rejects: list[Reject] = []
    for column, value in read.items():
        bad = frame.filter(pl.col(column).is_not_null() & value.is_null())[key]
        message = f"{name}: {column} does not read as {expected[column]}; the study is kept without it"
        rejects.extend(Reject(f"{study}:{column}", RejectReason.GAP, message) for study in bad)
    return rejects


def canonical_texts(frame: pl.DataFrame, sections: Sequence[tuple[str, str]]) -> pl.DataFrame:
    """Add what the store keeps of a report, its text built of section columns as "FINDINGS: ..." lines.

    `sections` pairs a column with its section's name, in the order of the text; a null cell has no line. The text
    is null where all cells are.
    """
    position = pl.lit(0, dtype=pl.Int32)
    spans, parts = [], []
    for column, name in sections:
        present = pl.col(column).is_not_null()
        start = position + len(name) + 2  # "FINDINGS: "
        end = start + pl.col(column).str.len_chars().cast(pl.Int32)
        span = pl.struct(pl.lit(name).alias("name"), start.alias("start"), end.alias("end"))
        spans.append(pl.when(present).then(span))
        parts.append(pl.format(name.upper() + ": {}", pl.col(column)))
        position = pl.when(present).then(end + 1).otherwise(position)  # 1: the newline
    text = pl.concat_str(parts, separator="\n", ignore_nulls=True)
    bodies = {
        kept: [pl.col(column) for name in wanted for column, of in sections if of == name] for kept, wanted in COLUMNS
    }
    built = frame.with_columns(
        pl.when(text != "").then(text).alias("text"),
        pl.concat_list(spans).list.drop_nulls().cast(pl.List(SECTION)).alias("sections"),
        *(pl.coalesce(columns).alias(kept) for kept, columns in bodies.items() if columns),
    )
    return built.with_columns(pl.col("text").map_elements(text_hash, return_dtype=pl.String).alias("text_hash"))


def csv_header(data: bytes, name: str, expected: str) -> list[str]:
    """Return the column names of a CSV, stripped; InputError where it has none."""
    text = data[: 1 << 20].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    try:
        header = next(csv.reader(io.StringIO(text, newline="")), [])
    except csv.Error as error:
        raise InputError(f"{name} cannot be read as CSV ({error}); expected {expected}") from None
    if not header:
        raise InputError(f"{name} is empty; expected {expected}")
    return [column.strip() for column in header]


_FEW = 2_000


def file_status(root: Path, paths: pl.Series) -> pl.Series:
    """Say of every relative path whether the file is there: present or absent; null paths are absent.

    Looks at few files one by one, else lists the folders that they name, with as many threads as help on a network
    file system.
    """
    unique = paths.drop_nulls().unique()
    if unique.len() <= _FEW:
        there = {path for path in unique if (root / path).is_file()}
    else:
        folders = unique.str.extract(r"^(.*)/[^/]*$", 1).fill_null("").unique()
        tops = [top for top in folders.str.extract(r"^([^/]*)", 1).unique() if (root / top).is_dir()]
        wanted = [folder for folder in folders if folder.partition("/")[0] in set(tops)]
        chunks = [wanted[start : start + 500] for start in range(0, len(wanted), 500)]
        there = set().union(*ordered_map(lambda chunk: _listed(root, chunk), chunks, workers=8))
    return status_of(paths.is_in(list(there)))


def status_of(there: pl.Series) -> pl.Series:
    """Return the `file_status` of images by whether their files are there."""
    words = {True: FileStatus.PRESENT.value, False: FileStatus.ABSENT.value}
    return there.fill_null(value=False).replace_strict(words, return_dtype=pl.String).alias("file_status")


def absent_note(images: pl.DataFrame, where: str) -> tuple[str, ...]:
    """Return a sentence about the image files that are not there; none where all are."""
    absent = images.filter(pl.col("file_status") == FileStatus.ABSENT.value).height
    return (f"{absent:,} of {images.height:,} image files are not {where}; they are marked absent",) if absent else ()


def _listed(root: Path, folders: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for folder in folders:
        with suppress(OSError), os.scandir(root / folder if folder else root) as entries:
            prefix = f"{folder}/" if folder else ""
            found.update(f"{prefix}{entry.name}" for entry in entries if not entry.is_dir())
    return found
