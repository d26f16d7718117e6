"""RSNA (Kaggle 2018, stage 2): labels of single images, with boxes; no reports, so answers only.

What Target and class mean as labels is told, and why, in the pack's `corpora/rsna.toml`.

`patientId` is an image id: each image is a study and a patient of its own. The split is the public one of GLoRIA,
which CheXagent and the reference benchmark use: sorted by id, 70/15/15 as scikit-learn's train_test_split draws with
random_state 0. Age, sex and view stand in the DICOM headers alone and are read with `headers`.
"""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer

from cxr.miner.ingest.corpus import Ingested, Missing, Reader, Reject, SourceFile
from cxr.miner.ingest.kaggle.single import Headers, single_images
from cxr.miner.ingest.read.files import ROW, read_bytes, read_csv, source_file
from cxr.miner.ingest.read.frames import file_status
from cxr.miner.kit.errors import InputError
from cxr.miner.pack.corpora import known_corpus
from cxr.schemas.vocabulary import FileStatus, RejectReason

RSNA = known_corpus("rsna")
LABELS_CSV = "stage_2_train_labels.csv"
CLASSES_CSV = "stage_2_detailed_class_info.csv"
IMAGE_FOLDER = "stage_2_train_images"
_BOX = ("x", "y", "width", "height")
_ID = r"^[0-9A-Za-z-]{1,64}$"
_TARGET = RSNA.labels["Target"]
_CLASSES = tuple(name for name in RSNA.classes if name)


def read_rsna(
    path: Annotated[Path, typer.Argument(help="The folder with stage_2_train_labels.csv.")],
    *,
    headers: Headers = False,
) -> Ingested:
    """Read the labels, and the classes and images where they are there; with `headers` also the DICOM headers.

    Raises InputError where stage_2_train_labels.csv is missing or lacks columns.
    """
    root = path if path.is_dir() else path.parent
    labels = root / LABELS_CSV
    if not labels.is_file():
        raise InputError(f"{path} holds no {LABELS_CSV}; expected the folder of the challenge as Kaggle ships it")
    rows, rejects, source = _read_labels(labels, root)
    images = _one_per_image(rows)
    classes, class_rejects, class_sources = _read_classes(root / CLASSES_CSV, root, images)
    paths = images.select(pl.format(IMAGE_FOLDER + "/{}.dcm", "id").alias("path"))["path"]
    images = images.with_columns(paths, file_status(root, paths))
    return single_images(
        RSNA,
        "stage 2",
        images,
        root,
        headers=headers,
        labels=_labels(images, classes),
        rejects=[*rejects, *class_rejects],
        sources=(source, *class_sources),
        found=_found(rows, images),
        missing=_missing(root, class_sources, images),
    )


def _read_labels(path: Path, root: Path) -> tuple[pl.DataFrame, list[Reject], SourceFile]:
    """Return patientId, target and box of each usable row."""
    data = read_bytes(path)
    table = read_csv(data, path.name, ("patientId", *_BOX, "Target"), key="patientId")
    key, target = pl.col("patientId").str.strip_chars(), pl.col("Target").str.strip_chars()
    numbers = [pl.col(side).str.strip_chars().cast(pl.Float64, strict=False) for side in _BOX]
    boxed = pl.all_horizontal(number.is_finite() & (number >= 0) for number in numbers).fill_null(value=False)
    reason = (
        pl.when(key.is_null())
        .then(pl.lit(RejectReason.MISSING_KEY.value))
        .when(~key.str.contains(_ID) | ~target.is_in(["0", "1"]).fill_null(value=False))
        .then(pl.lit(RejectReason.BAD_VALUE.value))
        .when((target == "1") & ~boxed)
        .then(pl.lit(RejectReason.BAD_VALUE.value))
    )
    judged = table.frame.with_columns(
        key.alias("patientId"), (target == "1").cast(pl.Int8).alias("target"), boxed.alias("boxed"), reason.alias("why")
    )
    bad = judged.filter(pl.col("why").is_not_null()).select(ROW, "why")
    rejects = [
        Reject(
            f"{path.name}:{row}",
            RejectReason(why),
            f"row {row} of {path.name} has no patientId"
            if why == RejectReason.MISSING_KEY
            else f"row {row} of {path.name} needs an image id, a Target of 0 or 1, and for 1 a box in pixels",
        )
        for row, why in bad.iter_rows()
    ]
    good = judged.filter(pl.col("why").is_null()).drop("why")
    torn = good.group_by("patientId").agg(pl.col("target").n_unique().alias("n")).filter(pl.col("n") > 1)["patientId"]
    message = f"{path.name} gives the image Target 0 and Target 1; it was left out"
    rejects += [Reject(image, RejectReason.DUPLICATE_KEY, message) for image in torn.sort()]
    kept = good.filter(~pl.col("patientId").is_in(torn.implode()))
    return kept, [*table.rejects, *rejects], source_file(path, root, data)


def _one_per_image(rows: pl.DataFrame) -> pl.DataFrame:
    images = rows.group_by("patientId").agg(pl.col("target").first(), pl.col("boxed").sum().alias("boxes"))
    images = images.sort("patientId").rename({"patientId": "id"})
    return images.with_columns(pl.Series("split", public_split(images.height), dtype=pl.String))


def _read_classes(
    path: Path, root: Path, images: pl.DataFrame
) -> tuple[pl.DataFrame, list[Reject], tuple[SourceFile, ...]]:
    """Return patientId and class of each image that has one; none without the file."""
    empty = pl.DataFrame(schema={"patientId": pl.String, "class": pl.String})
    if not path.is_file():
        return empty, [], ()
    data = read_bytes(path)
    table = read_csv(data, path.name, ("patientId", "class"), key="patientId")
    frame = table.frame.select(ROW, pl.col("patientId").str.strip_chars(), pl.col("class").str.strip_chars())
    known = pl.col("class").is_in(_CLASSES).fill_null(value=False)
    here = pl.col("patientId").is_in(images["id"].implode()).fill_null(value=False)
    odd, stray = frame.filter(~known)[ROW], frame.filter(known & ~here)[ROW]
    message = f"{path.name}: the class is none of {', '.join(_CLASSES)}"
    rejects = [Reject(f"{path.name}:{row}", RejectReason.BAD_VALUE, message) for row in odd]
    message = f"{path.name}: the image is not in {LABELS_CSV}"
    rejects += [Reject(f"{path.name}:{row}", RejectReason.UNKNOWN_STUDY, message) for row in stray]
    distinct = frame.filter(known & here).unique(["patientId", "class"], maintain_order=True)
    torn = distinct.filter(~pl.col("patientId").is_first_distinct())["patientId"].unique()
    message = f"{path.name} gives the image two classes; neither was used"
    rejects += [Reject(image, RejectReason.DUPLICATE_KEY, message) for image in torn.sort()]
    classes = distinct.filter(~pl.col("patientId").is_in(torn.implode())).select("patientId", "class")
    return classes, [*table.rejects, *rejects], (source_file(path, root, data),)


def _labels(images: pl.DataFrame, classes: pl.DataFrame) -> pl.DataFrame:
    """Return id, the label of Target, and with classes the labels that a class and a positive Target add."""
    joined = images.join(classes, left_on="id", right_on="patientId", how="left", maintain_order="left")
    added = dict.fromkeys(label for labels in RSNA.classes.values() for label in labels) if classes.height else ()
    unclassed = RSNA.classes[""]
    return joined.select(
        "id",
        pl.col("target").alias(_TARGET),
        *(
            pl.when((pl.col("target") == 1) & pl.lit(label in RSNA.positive))
            .then(pl.lit(RSNA.positive.get(label)))
            .otherwise(
                pl.col("class").replace_strict(
                    {name: RSNA.classes[name].get(label) for name in _CLASSES},
                    default=unclassed.get(label),
                    return_dtype=pl.Int8,
                )
            )
            .cast(pl.Int8)
            .alias(label)
            for label in added
        ),
    )


# --- the public split ------------------------------------------------------------------------------------------


def public_split(count: int) -> list[str]:
    """Return the split of each of `count` images sorted by id, as GLoRIA's preprocessing draws it.

    train_test_split(test_size=0.3, random_state=0), then its test half by train_test_split(0.5, random_state=0), of
    which the first part is the test set and the second the validation set.
    """
    train, held_out = _train_test_split(range(count), 0.3)
    test, _ = _train_test_split(held_out, 0.5)
    split = dict.fromkeys(train, "train") | dict.fromkeys(held_out, "validate") | dict.fromkeys(test, "test")
    return [split[index] for index in range(count)]


def _train_test_split(items: Sequence[int], test_size: float) -> tuple[list[int], list[int]]:
    """Divide as scikit-learn does with random_state=0: the first of a permutation are the test part."""
    if len(items) < 2:
        return list(items), []
    order = np.random.RandomState(0).permutation(len(items)).tolist()
    tested = ceil(test_size * len(items))
    return [items[index] for index in order[tested:]], [items[index] for index in order[:tested]]


# --- what is there, and what is not ------------------------------------------------------------------------------


def _found(rows: pl.DataFrame, images: pl.DataFrame) -> dict[str, int]:
    positive = images.filter(pl.col("target") == 1)
    return {
        "label rows": rows.height,
        "images": images.height,
        f"images with {_TARGET.lower()}": positive.height,
        f"images without {_TARGET.lower()}": images.height - positive.height,
        "boxes": int(positive["boxes"].sum()),
    }


def _missing(root: Path, classes: tuple[SourceFile, ...], images: pl.DataFrame) -> tuple[Missing, ...]:
    missing: list[Missing] = []
    if not classes:
        others = " and ".join(dict.fromkeys(label for labels in RSNA.classes.values() for label in labels))
        missing.append(Missing(CLASSES_CSV, f"there are labels for {_TARGET} alone, none for {others}"))
    absent = images.filter(pl.col("file_status") == FileStatus.ABSENT.value).height
    if absent:
        there = (root / IMAGE_FOLDER).is_dir()
        what = f"{absent:,} of {images.height:,} images of {IMAGE_FOLDER}" if there else IMAGE_FOLDER
        missing.append(Missing(what, "these images are marked absent"))
    return tuple(missing)


CORPUS = Reader(RSNA, read_rsna)
