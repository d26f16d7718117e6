"""Frames that every table-shaped corpus is built from: texts with offsets, views, cells that do not parse, hashes."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import polars as pl

from cxr.miner.ingest.corpus import SECTION, LabelTable, Reject, text_hash
from cxr.miner.kit.errors import InputError
from cxr.miner.pack import pack
from cxr.schemas.vocabulary import RejectReason

FINDINGS = pack().label_names


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


def label_value(cell: pl.Expr) -> pl.Expr:
    """Return 1, 0 or -1 of a label cell (1.0, 0, -1.0); null for a blank or foreign one."""
    number = cell.str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(number.is_in([-1.0, 0.0, 1.0])).then(number.cast(pl.Int8, strict=False))


def label_table(
    rows: pl.DataFrame, labeler: str, name: str, version: str | None = None
) -> tuple[LabelTable, list[Reject]]:
    """Turn text cells (study_id, and columns named as findings) into labels.

    A study with a cell outside the coding is left out of the table as a whole, with a reject per such cell: a null
    there would say "not mentioned", which counts as a negative. A study without any label has no row either.
    """
    there = [finding for finding in FINDINGS if finding in rows.columns]
    values = rows.select("study_id", *(label_value(pl.col(finding)).alias(finding) for finding in there))
    blank = ["", "nan", "null", "na"]
    filled = rows.select(
        (pl.col(f).is_not_null() & ~pl.col(f).str.strip_chars().str.to_lowercase().is_in(blank)).alias(f) for f in there
    )
    foreign = {f: filled[f] & values[f].is_null() for f in there}
    bad = pl.Series("bad", [False] * rows.height)
    rejects: list[Reject] = []
    for finding, mask in foreign.items():
        message = f"{name}: the label for {finding} is none of 1, 0, -1 and blank; the study's labels were left out"
        rejects += [
            Reject(f"{study.partition('/')[2]}:{finding}", RejectReason.BAD_VALUE, message)
            for study in rows.filter(mask)["study_id"]
        ]
        bad = bad | mask
    return LabelTable(labeler, version, values.filter(~bad)), rejects


def unreadable_cells(
    frame: pl.DataFrame, key: str, read: Mapping[str, pl.Expr], expected: Mapping[str, str], name: str
) -> list[Reject]:
    """Return a reject for every cell that holds something which `read` could not make sense of.

    The row itself is kept without that cell. `read` gives per column the value made of it, `expected` says in words
    what would have been right.
    """
    rejects: list[Reject] = []
    for column, value in read.items():
        bad = frame.filter(pl.col(column).is_not_null() & value.is_null())[key]
        message = f"{name}: {column} does not read as {expected[column]}; the study is kept without it"
        rejects.extend(Reject(f"{study}:{column}", RejectReason.BAD_VALUE, message) for study in bad)
    return rejects


def canonical_texts(frame: pl.DataFrame, sections: Sequence[tuple[str, str]]) -> pl.DataFrame:
    """Add `text`, built of section columns as "FINDINGS: ..." lines, and `sections` with the offsets of the bodies.

    `sections` pairs a column with its section's name, in the order of the text; a null cell has no line. The text
    is null where all cells are.
    """
    position = pl.lit(0, dtype=pl.Int32)
    spans, parts = [], []
    for column, name in sections:
        present = pl.col(column).is_not_null()
        start = position + len(name) + 2  # "FINDINGS: "
        end = start + pl.col(column).str.len_chars().cast(pl.Int32)
        spans.append(pl.when(present).then(section_span(name, start, end)))
        parts.append(pl.format(name.upper() + ": {}", pl.col(column)))
        position = pl.when(present).then(end + 1).otherwise(position)  # 1: the newline
    text = pl.concat_str(parts, separator="\n", ignore_nulls=True)
    return frame.with_columns(
        pl.when(text != "").then(text).alias("text"),
        pl.concat_list(spans).list.drop_nulls().cast(pl.List(SECTION)).alias("sections"),
    )


def section_span(name: str, start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """Return one element of a report's `sections`."""
    return pl.struct(pl.lit(name).alias("name"), start.cast(pl.Int32).alias("start"), end.cast(pl.Int32).alias("end"))


def hashes(texts: pl.Expr) -> pl.Expr:
    """Return 32 hexadecimal digits of each text's SHA-256."""
    return texts.map_elements(text_hash, return_dtype=pl.String)


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
        with ThreadPoolExecutor(8) as threads:
            chunks = [wanted[start : start + 500] for start in range(0, len(wanted), 500)]
            there = set().union(*threads.map(lambda chunk: _listed(root, chunk), chunks)) if chunks else set()
    return (
        paths.is_in(list(there))
        .fill_null(value=False)
        .replace_strict({True: "present", False: "absent"}, return_dtype=pl.String)
        .alias("file_status")
    )


def _listed(root: Path, folders: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for folder in folders:
        with suppress(OSError), os.scandir(root / folder if folder else root) as entries:
            prefix = f"{folder}/" if folder else ""
            found.update(f"{prefix}{entry.name}" for entry in entries if not entry.is_dir())
    return found
