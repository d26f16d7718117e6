"""CheXpert v1.0, full size or -small: image rows become studies with labels; there are no reports.

`train.csv` carries the labels of CheXpert's labeler, `valid.csv` those of three radiologists, `groundtruth.csv` (or
`test_labels.csv`, GitHub rajpurkarlab/cheXpert-test-set-labels) the majority of five for the 500 test studies. Studies
of a patient are in order of their numbers: CheXpert has no dates. Age 0 is missing (formats.md 3).

Study ids are `chexpert/patient00001/study1`. CheXpert Plus has the same studies with reports, as `chexpert-plus/...`
with the same source_id: two corpora that are joined on source_id, in whatever order they were ingested.
"""

from pathlib import Path
from typing import Annotated, NamedTuple

import polars as pl
import typer

from cxr.miner.ingest.corpus import (
    IMAGES,
    STUDIES,
    Count,
    Ingested,
    LabelTable,
    Missing,
    Reader,
    Reject,
    SourceFile,
    conform,
    rejects_frame,
)
from cxr.miner.ingest.read.files import ROW, read_bytes, read_csv, source_file
from cxr.miner.ingest.read.frames import (
    LABELS,
    absent_note,
    csv_header,
    file_status,
    label_table,
    sex_of,
    unreadable_cells,
    view_of,
    years_of,
)
from cxr.miner.kit.errors import InputError
from cxr.miner.pack.corpora import known_corpus
from cxr.schemas.vocabulary import RejectReason

CHEXPERT = known_corpus("chexpert")
ROOTS = ("CheXpert-v1.0", "CheXpert-v1.0-small")
TRAIN, VALID = "train.csv", "valid.csv"
TEST_LABELS = ("groundtruth.csv", "test_labels.csv")
_DETAILS = ("Sex", "Age", "Frontal/Lateral", "AP/PA")
_IMAGE = r"^(?:.*/)?(train|valid|test)/(patient\d+)/(study\d+)/([^/]+\.(?:jpe?g|png|dcm))$"
_STUDY = r"^(?:.*/)?(train|valid|test)/(patient\d+)/(study\d+)/?$"


class PathTable(NamedTuple):
    """Image rows by their paths: `study` (patient00001/study1), `patient`, `split`, `number` and `image` path."""

    frame: pl.DataFrame
    rejects: list[Reject]
    source: SourceFile


def read_chexpert(
    path: Annotated[Path, typer.Argument(help="The folder CheXpert-v1.0 or CheXpert-v1.0-small, or the one above it.")],
) -> Ingested:
    """Read CheXpert from the folder that holds train.csv, or the one above it.

    Raises InputError where neither train.csv nor valid.csv is there.
    """
    root = find_root(path)
    tables = [read_image_rows(root / name, root) for name in (TRAIN, VALID) if (root / name).is_file()]
    rows, rejects = _unique_images(pl.concat([table.frame for table in tables]))
    labels, odd_labels = _labels(rows)
    odd_cells = unreadable_cells(
        rows.unique("study", keep="first", maintain_order=True), "study", _CELLS, _EXPECTED, "CheXpert"
    )
    sources = [table.source for table in tables]
    tested = _find_test_labels(path, root)
    if tested is not None:
        test_labels, test_rejects, source = _read_test_labels(tested, root)
        labels, sources = [*labels, test_labels], [*sources, source]
        rejects += test_rejects
        rows = pl.concat([rows, _test_images(root, test_labels)], how="diagonal")
    studies = _studies(rows)
    images = _images(rows, root)
    return Ingested(
        corpus=CHEXPERT,
        layout=root.name,
        studies=studies,
        images=images,
        rejects=rejects_frame(
            [*(reject for table in tables for reject in table.rejects), *rejects, *odd_labels, *odd_cells]
        ),
        sources=tuple(sources),
        notes=absent_note(images, "there"),
        labels=_by_labeler(labels),
        counts=_counts(studies, images),
        missing=_missing(root, tested),
        image_root=root,
    )


def find_root(path: Path) -> Path:
    """Return the folder with CheXpert's CSV files; InputError where there is none."""
    for root in (path, *(path / name for name in ROOTS)):
        if (root / TRAIN).is_file() or (root / VALID).is_file():
            return root
    raise InputError(
        f"{path} holds no {TRAIN} and no {VALID}; expected the folder CheXpert-v1.0 or CheXpert-v1.0-small as "
        "Stanford ships it, or the one above it"
    )


def read_image_rows(path: Path, root: Path) -> PathTable:
    """Read train.csv or valid.csv: text columns by CheXpert's names, and what the path says about each row."""
    data = read_bytes(path)
    header = csv_header(data, path.name, "CheXpert's table of images")
    optional = [column for column in _DETAILS if column in header]
    table = read_csv(data, path.name, ("Path", *LABELS, *optional), key="Path")
    frame = conform(table.frame, {ROW: pl.Int64, **dict.fromkeys(("Path", *_DETAILS, *LABELS), pl.String)})
    parts = pl.col("Path").str.strip_chars().str.extract_groups(_IMAGE)
    frame = with_path_parts(frame.with_columns(parts.alias("parts")))
    bad = frame.filter(pl.col("study").is_null())
    rejects = [
        Reject(
            f"{path.name}:{row}",
            RejectReason.MISSING_KEY if blank else RejectReason.BAD_VALUE,
            f"row {row} of {path.name} has no path of the form train/patient00001/study1/view1_frontal.jpg",
        )
        for row, blank in bad.select(ROW, pl.col("Path").is_null()).iter_rows()
    ]
    kept = frame.filter(pl.col("study").is_not_null()).with_columns(pl.lit(path.name).alias("file"))
    return PathTable(kept, [*table.rejects, *rejects], source_file(path, root, data))


def with_path_parts(frame: pl.DataFrame) -> pl.DataFrame:
    """Turn `parts` (groups of the image pattern) into folder, patient, study, number and image."""
    part = pl.col("parts").struct
    return frame.with_columns(
        part.field("1").alias("folder"),
        part.field("2").alias("patient"),
        pl.format("{}/{}", part.field("2"), part.field("3")).alias("study"),
        part.field("3").str.slice(5).cast(pl.Int64, strict=False).alias("number"),
        pl.format("{}/{}/{}/{}", *(part.field(group) for group in "1234")).alias("image"),
    ).drop("parts")


def _unique_images(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[Reject]]:
    first = pl.col("image").is_first_distinct()
    again = rows.filter(~first)["image"]
    message = "the image is listed before; the first row was kept"
    return rows.filter(first), [Reject(image, RejectReason.DUPLICATE_KEY, message) for image in again]


def _labels(rows: pl.DataFrame) -> tuple[list[LabelTable], list[Reject]]:
    """Return the labels of each study once; rows of a study that contradict its first are named."""
    rejects: list[Reject] = []
    tables: list[LabelTable] = []
    for folder, labeler in (("train", "chexpert"), ("valid", "radiologist")):
        mine = rows.filter(pl.col("folder") == folder).with_columns(pl.format("chexpert/{}", "study").alias("study_id"))
        if mine.is_empty():
            continue
        word = pl.concat_str([pl.col(finding).fill_null("") for finding in LABELS], separator="|")
        torn = mine.filter(word != word.first().over("study_id"))["image"]
        message = "the labels differ from those of the study's first image; those were kept"
        rejects += [Reject(image, RejectReason.BAD_VALUE, message) for image in torn]
        table, odd = label_table(mine.unique("study_id", keep="first", maintain_order=True), labeler, f"{folder}.csv")
        tables.append(table)
        rejects += odd
    return tables, rejects


def _by_labeler(tables: list[LabelTable]) -> tuple[LabelTable, ...]:
    """Join the tables of one labeler: valid and test were both read by radiologists."""
    names = list(dict.fromkeys(table.labeler for table in tables))
    return tuple(
        LabelTable(name, None, pl.concat([table.frame for table in tables if table.labeler == name])) for name in names
    )


# --- the test set ----------------------------------------------------------------------------------------------


def _find_test_labels(path: Path, root: Path) -> Path | None:
    folders = (root, path, root.parent, root / "test")
    files = (folder / name for folder in folders for name in TEST_LABELS)
    return next((file for file in files if file.is_file()), None)


def _read_test_labels(path: Path, root: Path) -> tuple[LabelTable, list[Reject], SourceFile]:
    data = read_bytes(path)
    table = read_csv(data, path.name, ("Study", *LABELS), key="Study")
    parts = pl.col("Study").str.strip_chars().str.extract_groups(_STUDY).struct
    frame = table.frame.with_columns(pl.format("chexpert/{}/{}", parts.field("2"), parts.field("3")).alias("study_id"))
    known = pl.col("study_id").is_not_null()
    bad = frame.filter(~known)[ROW]
    message = f"{path.name}: the study is not of the form test/patient64741/study1"
    rejects = [Reject(f"{path.name}:{row}", RejectReason.BAD_VALUE, message) for row in bad]
    frame = frame.filter(known)
    again = frame.filter(~pl.col("study_id").is_first_distinct())["study_id"]
    message = f"{path.name} lists the study before; the first row was kept"
    rejects += [Reject(study.partition("/")[2], RejectReason.DUPLICATE_KEY, message) for study in again]
    labels, odd = label_table(frame.filter(pl.col("study_id").is_first_distinct()), "radiologist", path.name)
    return labels, [*table.rejects, *rejects, *odd], source_file(path, root, data)


def _test_images(root: Path, labels: LabelTable) -> pl.DataFrame:
    """Return a row per image file of the labeled test studies, and one without an image where there is no file.

    No table lists the test images, so the files themselves are looked up.
    """
    rows: list[tuple[str, str]] = []
    for study_id in labels.frame["study_id"]:
        study = study_id.partition("/")[2]
        rows += [(study, name) for name in _names_in(root / "test" / study)] or [(study, "")]
    frame = pl.DataFrame(rows, schema={"study": pl.String, "name": pl.String}, orient="row")
    patient, number = (pl.col("study").str.extract(pattern) for pattern in (r"^([^/]*)", r"study(\d+)$"))
    view = pl.col("name").str.extract(r"_(frontal|lateral)\.")
    return frame.select(
        "study",
        pl.lit("test").alias("folder"),
        patient.alias("patient"),
        number.cast(pl.Int64, strict=False).alias("number"),
        pl.when(pl.col("name") != "").then(pl.format("test/{}/{}", "study", "name")).alias("image"),
        view.alias("Frontal/Lateral"),
    )


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(file.name for file in folder.iterdir() if file.suffix in {".jpg", ".jpeg", ".png"})
    except OSError:
        return []


_CELLS = {
    "Age": years_of(pl.col("Age")),
    "Sex": pl.coalesce(sex_of(pl.col("Sex")), pl.when(pl.col("Sex") == "Unknown").then(pl.lit("Unknown"))),
}
_EXPECTED = {"Age": "years between 0 and 130", "Sex": "Male, Female or Unknown"}


# --- rows of the store -----------------------------------------------------------------------------------------


def _studies(rows: pl.DataFrame) -> pl.DataFrame:
    frame = rows.unique("study", keep="first", maintain_order=True).select(
        pl.format("chexpert/{}", "study").alias("study_id"),
        pl.lit("chexpert").alias("corpus"),
        pl.col("study").alias("source_id"),
        pl.format("chexpert/{}", "patient").alias("patient_id"),
        pl.col("folder").replace_strict(CHEXPERT.splits, return_dtype=pl.String).alias("split"),
        pl.col("number").alias("study_order"),
        pl.when(_CELLS["Age"] > 0).then(_CELLS["Age"]).alias("age"),  # 0 is missing
        sex_of(pl.col("Sex")).alias("sex"),
        pl.lit(CHEXPERT.licence.value).alias("licence"),
    )
    return conform(frame, STUDIES)


def _images(rows: pl.DataFrame, root: Path) -> pl.DataFrame:
    listed = rows.filter(pl.col("image").is_not_null())
    frame = listed.select(
        image_id("chexpert", pl.col("image")),
        pl.format("chexpert/{}", "study").alias("study_id"),
        pl.col("image").alias("path"),
        view_of(pl.col("Frontal/Lateral")).alias("view"),
        pl.coalesce("AP/PA", pl.col("Frontal/Lateral").str.to_uppercase()).alias("view_position"),
        file_status(root, listed["image"]),
    )
    return conform(frame, IMAGES)


def image_id(slug: str, image: pl.Expr) -> pl.Expr:
    """Return `slug/patient00001/study1/view1_frontal` of `train/patient00001/study1/view1_frontal.jpg`."""
    bare = image.str.replace(r"^[^/]*/", "").str.replace(r"\.[^./]*$", "")
    return pl.format("{}/{}", pl.lit(slug), bare).alias("image_id")


def _counts(studies: pl.DataFrame, images: pl.DataFrame) -> tuple[Count, ...]:
    found: dict[str, int] = {}
    for folder, split in CHEXPERT.splits.items():
        of_split = studies.filter(pl.col("split") == split)
        found[f"{folder}_images"] = images.filter(pl.col("path").str.starts_with(f"{folder}/")).height
        found[f"{folder}_studies"] = of_split.height
        found[f"{folder}_patients"] = of_split["patient_id"].n_unique()
    return tuple(
        Count(what.replace("_", " "), count, CHEXPERT.published.get(what)) for what, count in found.items() if count
    )


def _missing(root: Path, tested: Path | None) -> tuple[Missing, ...]:
    missing = [
        Missing(name, f"the {split} studies are not in the store")
        for name, split in ((TRAIN, "train"), (VALID, "validation"))
        if not (root / name).is_file()
    ]
    if tested is None:
        tests = CHEXPERT.published["test_studies"]
        missing.append(Missing(TEST_LABELS[0], f"the {tests} test studies and their radiologists' labels are left out"))
    return tuple(missing)


CORPUS = Reader(CHEXPERT, read_chexpert)
