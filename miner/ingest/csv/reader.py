"""Anybody's own reports: one CSV, one row per study (or per image), columns as the mapping says.

The text of a study is its `report` column with the sections that our parser finds; without one it is built of the
section columns ("FINDINGS: ..."). Rows of one study that differ in nothing but the image are its images; any other
second row of a study is a reject. A study without text is kept for its labels (its questions are answer-only).
Without a split column patients are split by `split_of`, without a patient column each study is its own patient.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from cxr.miner.ingest.corpus import (
    REPORTS,
    STUDIES,
    Count,
    Ingested,
    LabelTable,
    Reject,
    conform,
    rejects_frame,
    split_of,
)
from cxr.miner.ingest.csv.images import own_images
from cxr.miner.ingest.csv.mapping import FIELDS, SECTION_FIELDS, check_name, columns_of, named_fields
from cxr.miner.ingest.read.blank import reading
from cxr.miner.ingest.read.files import ROW, read_bytes, read_csv, source_file
from cxr.miner.ingest.read.frames import (
    LABELS,
    absent_note,
    canonical_texts,
    csv_header,
    label_table,
    sex_of,
    split_name,
    unreadable_cells,
    years_of,
)
from cxr.miner.ingest.read.members import is_no_report, report_table
from cxr.miner.kit.errors import InputError
from cxr.miner.language.sections import trimmed
from cxr.miner.pack.corpora import Corpus
from cxr.schemas.vocabulary import FileStatus, Licence, RejectReason

LONGEST_ID = 64
"""Identifiers are short; something longer is probably text in the wrong column, and ids appear in messages."""

# Ids become parts of other ids and of file names: a/b will do, /a, ../a, a/./b, a\\b and control characters will not.
_PATH_PARTS = r"(^|/)\.{0,2}(/|$)|\\|[\x00-\x1f]"
_EXPECTED_FILE = "a CSV of reports with a header line"
READ_FIELDS = ("report", "findings", "impression")
"""What a study says, if it says anything."""
_IMAGE_FIELDS = ("image", "view")
# Those that say which number is the month.
_DATE_FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%Y%m%d",
    "%Y%m%d%H%M%S", "%Y%m%d %H%M%S", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%d-%b-%Y", "%d-%b-%Y %H:%M:%S", "%B %d, %Y",
    "%d %B %Y",
)  # fmt: skip


def read_csv_corpus(
    path: Path,
    mapping: Mapping[str, str],
    name: str,
    licence: Licence = Licence.CREDENTIALED,
    *,
    labeler: str = "corpus",
    date_format: str | None = None,
    image_root: Path | None = None,
) -> Ingested:
    """Read a CSV of reports as the corpus `name`; `mapping` is field: column (see `cxr.miner.ingest.csv.mapping`).

    `date_format` is a strptime format for study_datetime; without it ISO 8601 and YYYYMMDD are read. Image paths are
    relative to `image_root`, by default the CSV's folder, and may not lead out of it. Raises InputError for a file
    that cannot be read or used, SettingsError for a mapping or name that cannot.
    """
    check_name(name)
    root = path.parent if image_root is None else image_root
    if not root.is_dir():
        raise InputError(f"--image-root {root} is no folder; expected the one that the image paths are relative to")
    if not path.is_file():
        raise InputError(f"{path} is no file; expected {_EXPECTED_FILE}")
    data = read_bytes(path)
    header = csv_header(data, path.name, _EXPECTED_FILE)
    columns = columns_of(header, named_fields(mapping), path.name)
    table = read_csv(data, path.name, tuple(dict.fromkeys(columns.values())), key=columns["study_id"])
    rows = table.frame.select(pl.col(ROW), *(pl.col(column).alias(field) for field, column in columns.items()))
    rows = conform(rows, {ROW: pl.Int64, **dict.fromkeys((*FIELDS, *_findings(columns)), pl.String)})
    rows = rows.with_columns(map(reading, READ_FIELDS)).with_columns(_words(pl.col("report")))
    notes: list[str] = []
    if "image" in columns and "image" not in named_fields(mapping) and not _names_files(rows["image"]):
        columns.pop("image")
        rows = rows.with_columns(pl.lit(None, dtype=pl.String).alias("image"))
        notes.append("the column image holds no names of image files and was not read; --map image=image reads it")
    first, extra, rejects = _usable(rows, path.name)
    said, silent = _with_something_to_say(first, columns, path.name)
    cells = _cells(date_format)
    odd = unreadable_cells(said, "study_id", cells, _EXPECTED, path.name)
    labels, odd_labels = _labels(said, name, labeler, columns, path.name)
    studies = said.with_columns(_has_time(date_format).alias("timed"), *(cells[field].alias(field) for field in cells))
    images, image_rejects = own_images(studies, extra, name, root)
    return Ingested(
        corpus=Corpus(slug=name, title=f"{name} ({path.name})", licence=licence),
        layout="csv",
        studies=_studies(studies, name, licence),
        images=images,
        reports=conform(_texts(studies, name), REPORTS),
        rejects=rejects_frame([*table.rejects, *rejects, *silent, *odd, *odd_labels, *image_rejects]),
        sources=(source_file(path, path.parent, data),),
        notes=(*notes, *_notes(columns, studies, images, root)),
        labels=labels,
        counts=(Count("studies", studies.height), Count("images", images.height)),
        image_root=root,
        unknown=_unknown(columns, images, image_root),
        settings={
            "columns": columns,
            "licence": licence.value,
            "labeler": labeler if labels else None,
            "date_format": date_format,
        },
    )


def _unknown(columns: Mapping[str, str], images: pl.DataFrame, image_root: Path | None) -> frozenset[str]:
    """Return what a CSV without some columns does not tell; a split or patient that it does not name is made anew."""
    unknown = {field for field in ("age", "sex", "view") if field not in columns}
    if "image" not in columns:
        unknown.add("images")
    if not {"study_datetime", "study_order"} & set(columns):
        unknown |= {"study_datetime", "study_date", "study_order"}
    if image_root is None and FileStatus.PRESENT.value not in images["file_status"]:
        unknown.add("image_root")
    return frozenset(unknown)


def _names_files(cells: pl.Series) -> bool:
    """Return whether a column that happens to be called image holds paths; OpenI's holds captions."""
    return bool(cells.drop_nulls().str.contains(r"(?i)\.(png|jpe?g|dcm|dicom)['\"\]\s]*$").any())


def _words(report: pl.Expr) -> pl.Expr:
    """Return a raw report, null where none of its sections says anything."""
    silent = report.map_elements(lambda text: is_no_report(text, trimmed(text)), return_dtype=pl.Boolean)
    return pl.when(~silent).then(report).alias("report")


def _findings(columns: Mapping[str, str]) -> list[str]:
    return [label for label in LABELS if label in columns]


_EXPECTED = {
    "study_datetime": "a date and time (ISO 8601, or as --date-format says)",
    "study_order": "a whole number",
    "age": "years between 0 and 130",
    "sex": "M, F, male or female",
}


def _cells(date_format: str | None) -> dict[str, pl.Expr]:
    """Return per field the value made of its cell, null where that fails."""
    # What the clock on the wall said counts, so an offset from UTC is left off.
    when = pl.col("study_datetime").str.strip_chars().str.replace(r"(:\d\d(?:\.\d+)?)(?:Z|[+-]\d\d:?\d\d)$", "$1")
    formats = (date_format,) if date_format else _DATE_FORMATS
    dates = [when.str.to_datetime(form, strict=False, time_unit="us") for form in formats]
    number = pl.col("study_order").str.strip_chars().cast(pl.Float64, strict=False)
    return {
        "study_datetime": pl.coalesce(dates),
        "study_order": number.cast(pl.Int64, strict=False),
        "age": years_of(pl.col("age").str.strip_chars().str.strip_chars_end("Yy")),
        "sex": sex_of(pl.col("sex")),
    }


def _has_time(date_format: str | None) -> pl.Expr:
    """Return whether study_datetime tells the time of day; a date alone is no midnight."""
    if date_format is not None:
        return pl.lit(any(directive in date_format for directive in ("%H", "%I", "%T", "%R", "%X", "%c")))
    return pl.col("study_datetime").str.strip_chars().str.contains(r":|^[0-9]{8}[ T]?[0-9]{6}$")


def _labels(
    rows: pl.DataFrame, name: str, labeler: str, columns: Mapping[str, str], file: str
) -> tuple[tuple[LabelTable, ...], list[Reject]]:
    """Return the label columns as one table of the studies that have any label."""
    findings = _findings(columns)
    if not findings:
        return (), []
    labeled = rows.filter(pl.any_horizontal(pl.col(finding).is_not_null() for finding in findings))
    table, rejects = label_table(labeled.with_columns(_study_id(name)).select("study_id", *findings), labeler, file)
    return (table,), rejects


def _usable(rows: pl.DataFrame, name: str) -> tuple[pl.DataFrame, pl.DataFrame, list[Reject]]:
    """Part rows into the first of each study, further image rows of those, and rejects."""
    key = pl.col("study_id").str.strip_chars()
    rows = rows.with_columns(key.alias("study_id"), pl.col("patient_id").str.strip_chars())
    others = [pl.col(c).fill_null("") for c in rows.columns if c not in {ROW, *_IMAGE_FIELDS}]
    same = pl.concat_str(others, separator="\x1f")
    first = pl.col("study_id").is_first_distinct()
    too_long = (pl.col("study_id").str.len_chars() > LONGEST_ID) | (pl.col("patient_id").str.len_chars() > LONGEST_ID)
    ids = (pl.col("study_id"), pl.col("patient_id"))
    a_path = pl.any_horizontal(key.str.contains(_PATH_PARTS).fill_null(value=False) for key in ids)
    another_image = pl.col("image").is_not_null() & (same == same.first().over("study_id"))
    reason = (
        pl.when(pl.col("study_id").is_null())
        .then(pl.lit(RejectReason.MISSING_KEY.value))
        .when(too_long.fill_null(value=False) | a_path)
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
    usable = study is not None and len(study) <= LONGEST_ID and not re.search(_PATH_PARTS, study)
    return str(study) if usable else f"{name}:{row}"


def _why(reason: RejectReason, row: int, name: str) -> str:
    where = f"row {row} of {name}"
    match reason:
        case RejectReason.MISSING_KEY:
            return f"{where} has no study_id"
        case RejectReason.BAD_VALUE:
            return (
                f"{where} has an id of more than {LONGEST_ID} characters, or one that reads as a path out of a folder; "
                "check which column --map names"
            )
        case RejectReason.WRONG_SPLIT:
            return f"{where} has an unknown split; expected train, validate or test"
        case _:
            return f"{where} has the study_id of an earlier row but other content; the first was kept"


def _with_something_to_say(
    studies: pl.DataFrame, columns: Mapping[str, str], name: str
) -> tuple[pl.DataFrame, list[Reject]]:
    """Leave out studies with neither a reading nor a label."""
    said = [pl.col(field).is_not_null() for field in (*READ_FIELDS, *_findings(columns))]
    silent = studies.filter(~pl.any_horizontal(said)).select("study_id", ROW)
    sectioned = "report" not in columns
    reason = RejectReason.NO_FINDINGS_NOR_IMPRESSION if sectioned else RejectReason.NO_REPORT
    what = "neither findings nor impression" if sectioned else "no report"
    rejects = [
        Reject(study, reason, f"row {row} of {name} has {what}, and no label") for study, row in silent.iter_rows()
    ]
    return studies.filter(pl.any_horizontal(said)), rejects


def _texts(studies: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the columns of REPORTS for every study with a text."""
    named = studies.with_columns(_study_id(name))
    raw = named.filter(pl.col("report").is_not_null()).select("study_id", "report").rows()
    reading = pl.any_horizontal(pl.col(field).is_not_null() for field in ("findings", "impression"))
    built = canonical_texts(named.filter(reading & pl.col("report").is_null()), [(f, f) for f in SECTION_FIELDS])
    return pl.concat([conform(pl.DataFrame(report_table(raw)), REPORTS), conform(built, REPORTS)])


def _study_id(name: str) -> pl.Expr:
    return pl.format("{}/{}", pl.lit(name), pl.col("study_id")).alias("study_id")


def _studies(studies: pl.DataFrame, name: str, licence: Licence) -> pl.DataFrame:
    owner = pl.coalesce("patient_id", "study_id")
    patients = studies.select(pl.format("{}/{}", pl.lit(name), owner).alias("patient_id"))["patient_id"]
    drawn = patients.map_elements(split_of, return_dtype=pl.String)
    # Numbers of one's own (days since admission) become places in the patient's order of studies.
    order = "study_order" if studies["study_order"].count() else "study_datetime"
    place = pl.col(order).rank("dense").over(patients).cast(pl.Int64)
    frame = studies.select(
        _study_id(name),
        pl.lit(name).alias("corpus"),
        pl.col("study_id").alias("source_id"),
        patients,
        pl.coalesce(split_name(pl.col("split")), drawn).alias("split"),
        place.alias("study_order"),
        pl.when("timed").then(pl.col("study_datetime")).alias("study_datetime"),
        pl.col("study_datetime").dt.date().alias("study_date"),
        "age",
        "sex",
        pl.lit(licence.value).alias("licence"),
    )
    return conform(frame, STUDIES)


def _notes(columns: Mapping[str, str], studies: pl.DataFrame, images: pl.DataFrame, root: Path) -> tuple[str, ...]:
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
    return (*notes, *absent_note(images, f"under {root}"))
