"""Frames that every table-shaped corpus is built from: texts with offsets, views, cells that do not parse, hashes."""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from miner.ingest.corpus import SECTION, Reject, text_hash
from miner.language.sections import trimmed
from schemas.vocabulary import RejectReason, ViewPosition

Columns = Mapping[str, pl.DataType | type[pl.DataType]]

_FRONTAL = ("ap", "pa", "frontal", "ap axial", "postero-anterior", "antero-posterior", "ap_pa", "pa_ap")
_LATERAL = ("lateral", "ll", "lat", "rl", "left lateral", "xtable lateral", "l")


def conform(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Return the frame with exactly these columns and types; a column that it lacks is null."""
    there = set(frame.columns)
    return frame.select(
        (pl.col(name) if name in there else pl.lit(None)).cast(kind).alias(name) for name, kind in columns.items()
    )


def view_of(code: pl.Expr) -> pl.Expr:
    """Return the coarse view of a position code ("PA", "LL", "Frontal"); null where the code is null.

    AP and PA are frontal, LL, RL and LATERAL lateral, as in MIT-LCP's map (formats.md 2.1); the rest is other.
    """
    plain = code.str.strip_chars().str.to_lowercase()
    return (
        pl.when(plain.is_in(_FRONTAL))
        .then(pl.lit(ViewPosition.FRONTAL.value))
        .when(plain.is_in(_LATERAL))
        .then(pl.lit(ViewPosition.LATERAL.value))
        .when(plain.is_not_null())
        .then(pl.lit(ViewPosition.OTHER.value))
    )


def sex_of(word: pl.Expr) -> pl.Expr:
    """Return M, F or O (DICOM's codes) of Male, female, m ...; null for anything else."""
    first = word.str.strip_chars().str.to_uppercase().replace({"MALE": "M", "FEMALE": "F", "OTHER": "O"})
    return pl.when(first.is_in(["M", "F", "O"])).then(first)


def split_name(word: pl.Expr) -> pl.Expr:
    """Return train, validate or test of the usual spellings; null for anything else."""
    plain = word.str.strip_chars().str.to_lowercase()
    names = {"training": "train", "val": "validate", "valid": "validate", "validation": "validate", "dev": "validate"}
    known = plain.replace({**names, "testing": "test"})
    return pl.when(known.is_in(["train", "validate", "test"])).then(known)


def label_value(cell: pl.Expr) -> pl.Expr:
    """Return 1, 0 or -1 of a label cell (1.0, 0, -1.0, true, no ...); null for a blank or foreign one."""
    plain = cell.str.strip_chars().str.to_lowercase()
    words = {"true": "1", "yes": "1", "positive": "1", "false": "0", "no": "0", "negative": "0", "uncertain": "-1"}
    number = plain.replace(words).cast(pl.Float64, strict=False)
    return pl.when(number.is_in([-1.0, 0.0, 1.0])).then(number.cast(pl.Int8, strict=False))


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


def parsed_sections(texts: Iterable[str | None]) -> pl.Series:
    """Return the sections that our parser finds in each text, as the column `sections`; null for a null text."""
    rows = [
        None
        if text is None
        else [{"name": str(name), "start": start, "end": end} for name, start, end in trimmed(text)]
        for text in texts
    ]
    return pl.Series("sections", rows, dtype=pl.List(SECTION))


def section_bodies(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Add a column per name with the body of that section of `text`; the last one where a report has several.

    The last is the final read's (formats.md 1.1, number 7); all of them stay in `sections`.
    """
    bodies: dict[str, list[str | None]] = {name: [] for name in names}
    for text, sections in frame.select("text", "sections").iter_rows():
        found = {section["name"]: text[section["start"] : section["end"]] for section in sections or ()}
        for name in names:
            bodies[name].append(found.get(name))
    return frame.with_columns(pl.Series(name, values, dtype=pl.String) for name, values in bodies.items())


def hashes(texts: pl.Expr) -> pl.Expr:
    """Return 32 hexadecimal digits of each text's SHA-256."""
    return texts.map_elements(text_hash, return_dtype=pl.String)


def row_hashes(
    studies: pl.DataFrame, images: pl.DataFrame, texts: pl.DataFrame, labels: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Add `row_hash` to the studies: it changes when anything about the study changes.

    `texts` has study_id and text_hash; images and labels are counted in whatever order they come.
    """
    listed = _listed(images, ("image_id", "path", "view", "view_position", "file_status"), "listed_images")
    joined = studies.join(texts.select("study_id", "text_hash"), on="study_id", how="left", maintain_order="left")
    joined = joined.join(listed, on="study_id", how="left", maintain_order="left")
    parts = [name for name in studies.columns if name != "row_hash"] + ["text_hash", "listed_images"]
    if labels is not None:
        listed = _listed(labels, ("labeler", "labeler_version", "finding", "value"), "listed_labels")
        joined = joined.join(listed, on="study_id", how="left", maintain_order="left")
        parts.append("listed_labels")
    content = pl.concat_str([pl.col(part).cast(pl.String).fill_null("") for part in parts], separator="\x1f")
    return joined.with_columns(hashes(content).alias("row_hash")).select(*studies.columns, "row_hash")


def _listed(frame: pl.DataFrame, columns: Sequence[str], name: str) -> pl.DataFrame:
    row = pl.concat_str([pl.col(column).cast(pl.String).fill_null("") for column in columns], separator=" ")
    return frame.group_by("study_id").agg(row.sort().str.join("\n").alias(name))
