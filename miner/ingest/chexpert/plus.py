r"""CheXpert Plus: CheXpert's studies with their reports, read from a CSV that repeats the report for every image.

Studies are told apart by the path (patient00001/study1) and are in the order of `patient_report_date_order`. The text
of a study is its raw `report`; sections are the owner's columns with their offsets in it (`located.py`). A literal
two-character `\n` is read as a newline and a blank, which keeps every offset.

`chexbert_labels/{impression,findings,report}_fixed.json` (JSON Lines in spite of their name) are the labelers
`chexbert` (the impression, as in CheXpert), `chexbert-findings` and `chexbert-report`. With `chexpert`, the folder
of CheXpert itself, its labels are taken over too; without it, the two corpora are joined on source_id.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import polars as pl
import typer

from cxr.miner.ingest.chexpert.chexbert import label_files, read_chexbert
from cxr.miner.ingest.chexpert.located import place, plain_newlines
from cxr.miner.ingest.chexpert.reader import TRAIN, VALID, find_root, image_id, read_chexpert
from cxr.miner.ingest.corpus import (
    IMAGES,
    REJECTS,
    REPORTS,
    STUDIES,
    Advance,
    Count,
    Fingerprint,
    Ingested,
    LabelTable,
    LabelToo,
    Reader,
    Reject,
    ReportBatch,
    conform,
    rejects_frame,
)
from cxr.miner.ingest.read.big_csv import REPLACED, BigCsv
from cxr.miner.ingest.read.blank import reading
from cxr.miner.ingest.read.files import ROW, source_file
from cxr.miner.ingest.read.frames import (
    absent_note,
    file_status,
    sex_of,
    split_name,
    unreadable_cells,
    view_of,
    years_of,
)
from cxr.miner.ingest.read.members import is_no_report, report_table
from cxr.miner.ingest.version import files_version
from cxr.miner.kit.errors import InputError
from cxr.miner.language.sections import SectionName
from cxr.miner.language.version import reader_version
from cxr.miner.pack.corpora import known_corpus
from cxr.schemas.vocabulary import RejectReason

CHEXPERT_PLUS = known_corpus("chexpert-plus")
MAIN_FILE = "df_chexpert_plus_240401.csv"
_MAIN_FILES = ("df_chexpert_plus_*.csv", "df_master_*.csv")
_IMAGE = r"^(?:.*/)?((?:train|valid|test)/patient\d+/study\d+/[^/]+\.(?:jpe?g|png|dcm))$"
_SECTIONS = (
    ("section_narrative", SectionName.NARRATIVE),
    ("section_clinical_history", SectionName.HISTORY),
    ("section_history", SectionName.HISTORY),
    ("section_comparison", SectionName.COMPARISON),
    ("section_technique", SectionName.TECHNIQUE),
    ("section_procedure_comments", SectionName.OTHER),
    ("section_findings", SectionName.FINDINGS),
    ("section_impression", SectionName.IMPRESSION),
    ("section_end_of_impression", SectionName.END_OF_IMPRESSION),
    ("section_summary", SectionName.SUMMARY),
)
_TEXTS = ("report", *(column for column, _ in _SECTIONS))
_READ = ("report", "section_findings", "section_impression")
_NO_REPORT = "the study has neither a report nor a findings or impression section; it is kept without a report"
_DEMOGRAPHICS = ("race", "ethnicity", "interpreter_needed", "insurance_type", "recent_bmi", "deceased")
_FACTS = (
    "path_to_image", "frontal_lateral", "ap_pa", "patient_report_date_order", "age", "sex", *_DEMOGRAPHICS, "split",
)  # fmt: skip
_IMAGE_PLACES = (("", ".jpg"), ("PNG", ".png"), ("", ".png"), ("DICOM", ".dcm"), ("", ".dcm"))


class _Rows(NamedTuple):
    """The image rows, each image once, and the number of the row that a study's report is read from."""

    images: pl.DataFrame
    studies: pl.DataFrame
    rejects: list[Reject]


def read_chexpert_plus(
    path: Annotated[Path, typer.Argument(help="The folder of CheXpert Plus, or its df_chexpert_plus_240401.csv.")],
    chexpert: Annotated[
        Path | None, typer.Option(help="A folder of CheXpert: its labels are taken over, its images used.")
    ] = None,
    *,
    label: LabelToo = False,
) -> Ingested:
    """Read CheXpert Plus from its folder or its main CSV; `chexpert` is a folder with CheXpert's own files.

    With `label`, or where no labels are shipped, the reports are labeled by our rules.

    Raises InputError where the CSV is missing or lacks columns.
    """
    main = _main_file(path)
    root = main.parent
    made_of = fingerprint(path, chexpert, label=label)
    table = BigCsv(
        main, ("path_to_image", "report", "section_findings", "section_impression"), f"{MAIN_FILE}'s columns"
    )
    rows = _read_rows(table)
    labels, label_rejects, missing = read_chexbert(root, rows.images)
    if chexpert is not None:
        labels += _labels_of_chexpert(chexpert, rows.studies)
    # What the reports are read by, apart from the facts: these go once the store has them.
    wanted = rows.studies.select("study", pl.col("report_row").alias(ROW)).drop_nulls()
    image_root, suffix = _image_place(root, chexpert)
    images = _images(rows.images, image_root, suffix)
    return Ingested(
        corpus=CHEXPERT_PLUS,
        layout=made_of.layout,
        studies=_studies(rows.studies),
        images=images,
        rejects=rejects_frame([*table.rejects, *rows.rejects, *label_rejects]),
        sources=made_of.sources,
        notes=absent_note(images, "there"),
        labels=tuple(labels),
        batches=lambda advance: _reports(table, wanted, advance),
        counts=_counts(rows, images),
        missing=tuple(missing),
        image_root=image_root,
        label_reports=label or not labels,
        settings=made_of.settings,
    )


def fingerprint(path: Path, chexpert: Path | None = None, *, label: bool = False) -> Fingerprint:
    """Return what decides over the rows, without reading the tables; InputError where the main CSV is missing.

    Image files count as the folder they lie in: `cxr images check` looks at each.
    """
    main = _main_file(path)
    root = main.parent
    sources = [source_file(file, root) for file in (main, *label_files(root).values())]
    settings: dict[str, object] = {"chexpert": chexpert is not None, "reader": files_version()}
    settings["label"] = reader_version() if label else None
    if chexpert is not None:
        theirs = find_root(chexpert)
        sources += [source_file(theirs / n, theirs) for n in (TRAIN, VALID) if (theirs / n).is_file()]
    image_root, suffix = _image_place(root, chexpert)
    settings["images"] = f"{image_root.name}/*{suffix}"
    return Fingerprint(CHEXPERT_PLUS.slug, "csv", tuple(sources), settings)


def _main_file(path: Path) -> Path:
    if path.is_file():
        return path
    for pattern in _MAIN_FILES:
        if path.is_dir() and (found := sorted(path.glob(pattern))):
            return found[-1]
    raise InputError(f"{path} holds no {MAIN_FILE}; expected the folder of CheXpert Plus, or that file itself")


# --- rows ------------------------------------------------------------------------------------------------------


def _read_rows(table: BigCsv) -> _Rows:
    """Read everything but the words of the reports."""
    rows = table.each((*_FACTS, *_TEXTS), _facts)
    rejects = _bad_rows(rows, table)
    rows = rows.filter(pl.col("study").is_not_null() & pl.col("image").is_first_distinct())
    torn = rows.filter(pl.col("has_text")).group_by("study").agg(pl.col("words").n_unique().alias("n"))
    message = "the report differs between images of the study; that of the first image with a report was kept"
    rejects += [
        Reject(study, RejectReason.BAD_VALUE, message) for study in torn.filter(pl.col("n") > 1)["study"].sort()
    ]
    with_text = rows.filter(pl.col("has_text")).group_by("study").agg(pl.col(ROW).min().alias("report_row"))
    studies = rows.unique("study", keep="first", maintain_order=True).join(
        with_text, on="study", how="left", maintain_order="left"
    )
    studies = _named(studies)
    rejects += unreadable_cells(studies, "study", _CELLS, _EXPECTED, table.path.name)
    rejects += [
        Reject(study, RejectReason.NO_REPORT, _NO_REPORT)
        for study in studies.filter(pl.col("report_row").is_null())["study"]
    ]
    return _Rows(rows.select("study", "image", "frontal_lateral", "ap_pa"), studies, rejects)


def _named(studies: pl.DataFrame) -> pl.DataFrame:
    """Return the studies patient and folder, and their facts as text."""
    return studies.with_columns(
        pl.col("study").str.extract(r"^([^/]*)/").alias("patient"),
        pl.col("image").str.extract(r"^([^/]*)/").alias("folder"),
        *(pl.col(name).cast(pl.String) for name in _FACTS if name != "path_to_image"),
    )


def _facts(batch: pl.DataFrame) -> pl.DataFrame:
    """Keep the facts of each row, and of its words only a fingerprint."""
    text = pl.any_horizontal(reading(name).is_not_null() for name in _READ)
    image = pl.col("path_to_image").str.strip_chars().str.extract(_IMAGE)
    return batch.select(
        ROW,
        image.alias("image"),
        pl.col("path_to_image").is_null().alias("no_path"),
        image.str.extract(r"^[^/]*/(.*)/").alias("study"),
        *(pl.col(name).cast(pl.Categorical) for name in _FACTS if name != "path_to_image"),
        text.alias("has_text"),
        pl.concat_str([pl.col(name).fill_null("") for name in _TEXTS], separator="\x1f").hash().alias("words"),
    )


def _bad_rows(rows: pl.DataFrame, table: BigCsv) -> list[Reject]:
    name = table.path.name
    rejects = [
        Reject(
            f"{name}:{row}",
            RejectReason.MISSING_KEY if blank else RejectReason.BAD_VALUE,
            f"row {row} of {name} has no path_to_image of the form train/patient00001/study1/view1_frontal.jpg",
        )
        for row, blank in rows.filter(pl.col("study").is_null()).select(ROW, "no_path").rows()
    ]
    again = rows.filter(pl.col("study").is_not_null() & ~pl.col("image").is_first_distinct())["image"]
    message = "the image is listed before; the first row was kept"
    return [*rejects, *(Reject(image, RejectReason.DUPLICATE_KEY, message) for image in again)]


# --- reports ---------------------------------------------------------------------------------------------------


def _reports(table: BigCsv, wanted: pl.DataFrame, advance: Advance) -> Iterator[ReportBatch]:
    done = 0
    for batch in table.batches(_TEXTS, lean=True):  # the store takes its share of memory meanwhile
        mine = batch.join(wanted, on=ROW, how="inner", maintain_order="left")
        if mine.is_empty():
            continue
        done += mine.height
        yield _placed(mine)
        advance(done, wanted.height)


def _placed(rows: pl.DataFrame) -> ReportBatch:
    damaged = pl.any_horizontal(
        pl.col(name).str.contains(REPLACED, literal=True).fill_null(value=False) for name in _TEXTS
    )
    message = "the report holds bytes that are not UTF-8; its study is kept without it"
    rejects = [Reject(study, RejectReason.NOT_UTF8, message) for study in rows.filter(damaged)["study"]]
    words = rows.filter(~damaged).with_columns(map(reading, _READ))
    clean = words.select("study", *(plain_newlines(pl.col(name)).alias(name) for name in _TEXTS))
    names = [str(name) for _, name in _SECTIONS]
    placed = [
        (f"chexpert-plus/{study}", made)
        for study, raw, *bodies in clean.iter_rows()
        if (made := place(raw, list(zip(names, bodies, strict=True)))) is not None
    ]
    silent = {study for study, made in placed if is_no_report(made.text, made.spans)}
    rejects += [Reject(study.partition("/")[2], RejectReason.NO_REPORT, _NO_REPORT) for study in sorted(silent)]
    placed = [(study, made) for study, made in placed if study not in silent]
    reports = report_table([(study, made.text) for study, made in placed], [made.spans for _, made in placed])
    return ReportBatch(conform(pl.DataFrame(reports), REPORTS), conform(rejects_frame(rejects), REJECTS))


# --- rows of the store -----------------------------------------------------------------------------------------

_CELLS = {
    "patient_report_date_order": (
        pl.col("patient_report_date_order")
        .str.strip_chars()
        .cast(pl.Float64, strict=False)
        .cast(pl.Int64, strict=False)
    ),
    "age": years_of(pl.col("age")),
    "sex": pl.coalesce(sex_of(pl.col("sex")), pl.when(pl.col("sex") == "Unknown").then(pl.lit("Unknown"))),
}
_EXPECTED = {
    "patient_report_date_order": "a whole number",
    "age": "years between 0 and 130",
    "sex": "Male, Female or Unknown",
}


def _studies(studies: pl.DataFrame) -> pl.DataFrame:
    known = pl.any_horizontal(pl.col(name).is_not_null() for name in _DEMOGRAPHICS)
    body = pl.struct(
        *(pl.col(n) for n in _DEMOGRAPHICS if n != "recent_bmi"), pl.col("recent_bmi").cast(pl.Float64, strict=False)
    )
    frame = studies.select(
        pl.format("chexpert-plus/{}", "study").alias("study_id"),
        pl.lit("chexpert-plus").alias("corpus"),
        pl.col("study").alias("source_id"),
        pl.format("chexpert-plus/{}", "patient").alias("patient_id"),
        pl.coalesce(split_name(pl.col("split")), pl.col("folder").replace_strict(CHEXPERT_PLUS.splits)).alias("split"),
        _CELLS["patient_report_date_order"].alias("study_order"),
        _CELLS["age"].alias("age"),
        sex_of(pl.col("sex")).alias("sex"),
        pl.lit(CHEXPERT_PLUS.licence.value).alias("licence"),
        pl.when(known).then(body.struct.json_encode()).alias("demographics"),
    )
    return conform(frame, STUDIES)


def _image_place(root: Path, chexpert: Path | None) -> tuple[Path, str]:
    """Find where the images lie, and as what: beside the CSV (JPG, PNG or DICOM release), or in CheXpert's folder."""
    for folder, suffix in _IMAGE_PLACES:
        split = next((root / folder / name for name in ("train", "valid") if (root / folder / name).is_dir()), None)
        if split is not None and (suffix == ".jpg" or next(split.glob(f"*/*/*{suffix}"), None) is not None):
            if suffix == ".jpg" and next(split.glob("*/*/*.jpg"), None) is None:
                continue
            return root / folder, suffix
    return (find_root(chexpert), ".jpg") if chexpert is not None else (root, ".jpg")


def _images(rows: pl.DataFrame, root: Path, suffix: str) -> pl.DataFrame:
    view = pl.col("frontal_lateral").cast(pl.String)
    paths = rows.select(pl.col("image").str.replace(r"\.[^./]*$", suffix).alias("path"))["path"]
    frame = rows.select(
        image_id("chexpert-plus", pl.col("image")),
        pl.format("chexpert-plus/{}", "study").alias("study_id"),
        paths,
        view_of(view).alias("view"),
        pl.coalesce(pl.col("ap_pa").cast(pl.String), view.str.to_uppercase()).alias("view_position"),
        file_status(root, paths),
    )
    return conform(frame, IMAGES)


def _labels_of_chexpert(chexpert: Path, studies: pl.DataFrame) -> list[LabelTable]:
    """Take over CheXpert's labels of the studies that both have."""
    known = studies.select(pl.format("chexpert-plus/{}", "study").alias("study_id"))
    own = pl.col("study_id").str.replace("chexpert/", "chexpert-plus/", literal=True)
    return [
        replace(table, frame=table.frame.with_columns(own).join(known, on="study_id", how="semi"))
        for table in read_chexpert(chexpert).labels
    ]


def _counts(rows: _Rows, images: pl.DataFrame) -> tuple[Count, ...]:
    found = Counter(images=images.height, studies=rows.studies.height, patients=rows.studies["patient"].n_unique())
    return tuple(Count(what, count, CHEXPERT_PLUS.published[what]) for what, count in found.items())


CORPUS = Reader(CHEXPERT_PLUS, read_chexpert_plus, fingerprint)
