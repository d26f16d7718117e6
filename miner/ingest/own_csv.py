"""Anybody's own reports: one CSV, one row per study (or per image), columns as the mapping says.

The text of a study is its `report` column with the sections that our parser finds; without one it is built of the
section columns ("FINDINGS: ..."). Rows of one study that differ in nothing but the image are its images; any other
second row of a study is a reject. A study without text is kept for its labels (its questions are answer-only).
Without a split column patients are split by `split_of`, without a patient column each study is its own patient.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import polars as pl

from miner.errors import InputError
from miner.ingest.corpus import IMAGES, REPORTS, STUDIES, Corpus, Ingested, Reject, rejects_frame, split_of
from miner.ingest.files import ROW, read_bytes, read_csv, source_file
from miner.ingest.frames import (
    canonical_texts,
    conform,
    hashes,
    label_value,
    parsed_sections,
    row_hashes,
    section_bodies,
    sex_of,
    split_name,
    unreadable_cells,
    view_of,
)
from miner.ingest.mapping import FIELDS, SECTION_FIELDS, check_name, columns_of, named_fields
from schemas.vocabulary import Finding14, Licence, RejectReason

LONGEST_ID = 64
"""Identifiers are short; something longer is probably text in the wrong column, and ids appear in messages."""

_IMAGE_FIELDS = ("image", "view")
_SEPARATORS = r"[;|]"
_DATE_FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%Y%m%d",
    "%Y%m%d%H%M%S", "%Y%m%d %H%M%S",
)  # fmt: skip


def read_csv_corpus(
    path: Path,
    mapping: Mapping[str, str],
    name: str,
    licence: Licence = Licence.CREDENTIALED,
    *,
    labeler: str = "corpus",
    date_format: str | None = None,
) -> Ingested:
    """Read a CSV of reports as the corpus `name`; `mapping` is field: column (see `miner.ingest.mapping`).

    `date_format` is a strptime format for study_datetime; without it ISO 8601 and YYYYMMDD are read. Raises
    InputError for a file that cannot be read or used, SettingsError for a mapping or name that cannot.
    """
    check_name(name)
    if not path.is_file():
        raise InputError(f"{path} is no file; expected a CSV of reports with a header line")
    data = read_bytes(path)
    columns = columns_of(_header(data, path.name), named_fields(mapping), path.name)
    table = read_csv(data, path.name, tuple(dict.fromkeys(columns.values())), key=columns["study_id"])
    rows = table.frame.select(pl.col(ROW), *(pl.col(column).alias(field) for field, column in columns.items()))
    rows = conform(rows, {ROW: pl.Int64, **dict.fromkeys((*FIELDS, *_findings(columns)), pl.String)})
    studies, extra, rejects = _usable(rows, path.name)
    cells = _cells(date_format, _findings(columns))
    rejects += unreadable_cells(
        studies, "study_id", cells, _EXPECTED | dict.fromkeys(_findings(columns), "1, 0 or -1"), path.name
    )
    studies = studies.with_columns(value.alias(field) for field, value in cells.items())
    studies, silent = _with_something_to_say(studies, columns, path.name)
    images, image_rejects = _images(studies, extra, name, path.parent)
    texts = _texts(studies, name)
    frame = row_hashes(_studies(studies, name, licence), images, texts)
    return Ingested(
        corpus=Corpus(slug=name, title=f"{name} ({path.name})", licence=licence, published=MappingProxyType({})),
        layout="csv",
        studies=conform(frame, STUDIES),
        images=images,
        reports=conform(texts, REPORTS),
        rejects=rejects_frame([*table.rejects, *rejects, *silent, *image_rejects]),
        sources=(source_file(path, path.parent, data),),
        notes=_notes(columns, studies, images),
    )


def _header(data: bytes, name: str) -> list[str]:
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    try:
        header = next(csv.reader(io.StringIO(text[: 1 << 20], newline="")), [])
    except csv.Error as error:
        raise InputError(f"{name} cannot be read as CSV ({error}); expected a header line") from None
    if not header:
        raise InputError(f"{name} is empty; expected a CSV of reports with a header line")
    return [column.strip() for column in header]


def _findings(columns: Mapping[str, str]) -> list[str]:
    return [str(finding) for finding in Finding14 if str(finding) in columns]


_EXPECTED = {
    "study_datetime": "a date and time (ISO 8601, or as --date-format says)",
    "study_order": "a whole number",
    "age": "years between 0 and 130",
    "sex": "M, F, O, male, female or other",
}


def _cells(date_format: str | None, findings: list[str]) -> dict[str, pl.Expr]:
    """Give per field the value made of its cell, null where that fails."""
    when = pl.col("study_datetime").str.strip_chars()
    formats = (date_format,) if date_format else _DATE_FORMATS
    dates = [when.str.to_datetime(form, strict=False, time_unit="us") for form in formats]
    years = pl.col("age").str.strip_chars().str.strip_chars_end("Yy").cast(pl.Float64, strict=False)
    return {
        "study_datetime": pl.coalesce(dates),
        "study_order": pl.col("study_order").str.strip_chars().cast(pl.Float64, strict=False).cast(pl.Int64),
        "age": pl.when(years.is_between(0, 130)).then(years),
        "sex": sex_of(pl.col("sex")),
        **{finding: label_value(pl.col(finding)) for finding in findings},
    }


def _usable(rows: pl.DataFrame, name: str) -> tuple[pl.DataFrame, pl.DataFrame, list[Reject]]:
    """Part rows into the first of each study, further image rows of those, and rejects."""
    key = pl.col("study_id").str.strip_chars()
    rows = rows.with_columns(key.alias("study_id"), pl.col("patient_id").str.strip_chars())
    others = [pl.col(c).fill_null("") for c in rows.columns if c not in {ROW, *_IMAGE_FIELDS}]
    same = pl.concat_str(others, separator="\x1f")
    first = pl.col("study_id").is_first_distinct()
    too_long = (pl.col("study_id").str.len_chars() > LONGEST_ID) | (pl.col("patient_id").str.len_chars() > LONGEST_ID)
    another_image = pl.col("image").is_not_null() & (same == same.first().over("study_id"))
    reason = (
        pl.when(pl.col("study_id").is_null())
        .then(pl.lit(RejectReason.MISSING_KEY.value))
        .when(too_long.fill_null(value=False))
        .then(pl.lit(RejectReason.BAD_VALUE.value))
        .when(pl.col("split").is_not_null() & split_name(pl.col("split")).is_null())
        .then(pl.lit(RejectReason.WRONG_SPLIT.value))
        .when(~first & ~another_image)
        .then(pl.lit(RejectReason.DUPLICATE_KEY.value))
    )
    judged = rows.with_columns(reason.alias("reason"), first.alias("first"))
    bad = judged.filter(pl.col("reason").is_not_null()).select("study_id", ROW, "reason")
    rejects = [
        Reject(_key(study, row, name), RejectReason(reason), _why(RejectReason(reason), row, name))
        for study, row, reason in bad.iter_rows()
    ]
    good = judged.filter(pl.col("reason").is_null()).drop("reason")
    # A later row of a study whose first row is a reject has no study to belong to; it is that same reject.
    return good.filter("first").drop("first"), good.filter(~pl.col("first")).drop("first"), rejects


def _key(study: str | None, row: int, name: str) -> str:
    return study if study is not None and len(study) <= LONGEST_ID else f"{name}:{row}"


def _why(reason: RejectReason, row: int, name: str) -> str:
    where = f"row {row} of {name}"
    match reason:
        case RejectReason.MISSING_KEY:
            return f"{where} has no study_id"
        case RejectReason.BAD_VALUE:
            return f"{where} has an id of more than {LONGEST_ID} characters; check which column --map names"
        case RejectReason.WRONG_SPLIT:
            return f"{where} has an unknown split; expected train, validate or test"
        case _:
            return f"{where} has the study_id of an earlier row but other content; the first was kept"


def _with_something_to_say(
    studies: pl.DataFrame, columns: Mapping[str, str], name: str
) -> tuple[pl.DataFrame, list[Reject]]:
    """Leave out studies with neither a reading nor a label."""
    said = [pl.col(field).is_not_null() for field in ("report", "findings", "impression", *_findings(columns))]
    silent = studies.filter(~pl.any_horizontal(said)).select("study_id", ROW)
    sectioned = "report" not in columns
    reason = RejectReason.NO_FINDINGS_NOR_IMPRESSION if sectioned else RejectReason.NO_REPORT
    what = "neither findings nor impression" if sectioned else "no report"
    rejects = [
        Reject(study, reason, f"row {row} of {name} has {what}, and no label") for study, row in silent.iter_rows()
    ]
    return studies.filter(pl.any_horizontal(said)), rejects


def _texts(studies: pl.DataFrame, name: str) -> pl.DataFrame:
    """Give study_id, text, sections and the bodies of the four main sections of every study with a text."""
    reading = pl.any_horizontal(pl.col(field).is_not_null() for field in ("report", "findings", "impression"))
    built = canonical_texts(studies.filter(reading), [(field, field) for field in SECTION_FIELDS])
    raw = built.filter(pl.col("report").is_not_null()).with_columns(text=pl.col("report"))
    raw = section_bodies(
        raw.with_columns(parsed_sections(raw["text"])), ("findings", "impression", "indication", "comparison")
    )
    together = pl.concat([built.filter(pl.col("report").is_null()), raw])
    return together.with_columns(_study_id(name), hashes(pl.col("text")).alias("text_hash")).sort(ROW)


def _study_id(name: str) -> pl.Expr:
    return pl.format("{}/{}", pl.lit(name), pl.col("study_id")).alias("study_id")


def _studies(studies: pl.DataFrame, name: str, licence: Licence) -> pl.DataFrame:
    owner = pl.coalesce("patient_id", "study_id")
    patients = studies.select(pl.format("{}/{}", pl.lit(name), owner).alias("patient_id"))["patient_id"]
    drawn = patients.map_elements(split_of, return_dtype=pl.String)
    frame = studies.select(
        _study_id(name),
        pl.lit(name).alias("corpus"),
        pl.col("study_id").alias("source_id"),
        patients,
        pl.coalesce(split_name(pl.col("split")), drawn).alias("split"),
        "study_order",
        "study_datetime",
        "age",
        "sex",
        pl.lit(licence.value).alias("licence"),
    )
    return conform(frame, {column: kind for column, kind in STUDIES.items() if column != "row_hash"})


def _images(studies: pl.DataFrame, extra: pl.DataFrame, name: str, root: Path) -> tuple[pl.DataFrame, list[Reject]]:
    """Give the images of the kept studies; a cell may list several paths, with semicolons or as a Python list."""
    rows = pl.concat([frame.select("study_id", "image", "view", ROW) for frame in (studies, extra)])
    rows = rows.filter(pl.col("image").is_not_null()).join(studies.select("study_id"), on="study_id", how="semi")
    listed = pl.col("image").str.strip_chars().str.strip_chars("[]").str.replace_all(r"'\s*,\s*'|\"\s*,\s*\"", ";")
    paths = listed.str.replace_all(r"['\"]", "").str.replace_all("|", ";", literal=True).str.split(";")
    single = rows.with_columns(paths.alias("path")).sort(ROW).explode("path")
    single = single.with_columns(pl.col("path").str.strip_chars()).filter(pl.col("path") != "")
    again = single.filter(~pl.col("path").is_first_distinct()).select("study_id", "path").rows()
    rejects = [
        Reject(f"{study}:{path[-80:]}", RejectReason.DUPLICATE_KEY, "the image is listed before; the first was kept")
        for study, path in again
    ]
    single = single.filter(pl.col("path").is_first_distinct())
    there = [(root / path).is_file() for path in single["path"]]
    frame = single.with_columns(
        pl.format("{}/{}", pl.lit(name), pl.col("path")).alias("image_id"),
        _study_id(name),
        view_of(pl.col("view")).alias("view"),
        pl.col("view").str.strip_chars().alias("view_position"),
        pl.Series("file_status", ["present" if is_there else "absent" for is_there in there], dtype=pl.String),
    )
    return conform(frame, IMAGES), rejects


def _notes(columns: Mapping[str, str], studies: pl.DataFrame, images: pl.DataFrame) -> tuple[str, ...]:
    notes: list[str] = []
    if "patient_id" not in columns:
        notes.append("no patient_id column: every study counts as its own patient, so there are no earlier studies")
    if "split" not in columns:
        notes.append("no split column: patients were split 80/10/10 into train, validate and test by their ids")
    elif "patient_id" in columns:
        torn = (
            studies.group_by("patient_id")
            .agg(split_name(pl.col("split")).n_unique().alias("n"))
            .filter((pl.col("n") > 1) & pl.col("patient_id").is_not_null())
        )
        if torn.height:
            notes.append(f"{torn.height:,} patients have studies in several splits: what is learned from one is tested")
    absent = images.filter(pl.col("file_status") == "absent").height
    if absent:
        notes.append(f"{absent:,} of {images.height:,} image files are not beside the CSV; they are marked absent")
    return tuple(notes)
