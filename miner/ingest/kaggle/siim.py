"""SIIM-ACR Pneumothorax (Kaggle 2019): a mask or none for every image; no reports, so answers only.

An image with a mask has Pneumothorax 1, one with `-1` Pneumothorax 0; nothing else is labeled. ImageId is a SOP
Instance UID: each image is a study and a patient of its own. The owner ships no split for the training images, and
the public ones divide mask rows, so that images stand on both sides: patients are split by `split_of` instead. The
competition's terms could not be seen (formats.md 7), so the corpus counts as credentialed.
"""

import os
from pathlib import Path
from types import MappingProxyType

import polars as pl

from cxr.miner.ingest.corpus import (
    IMAGES,
    REPORTS,
    STUDIES,
    Corpus,
    Count,
    Ingested,
    LabelTable,
    Missing,
    Reject,
    SourceFile,
    conform,
    rejects_frame,
    split_of,
)
from cxr.miner.ingest.kaggle.headers import FROM_HEADERS, with_headers
from cxr.miner.ingest.read.files import ROW, read_bytes, read_csv, source_file
from cxr.miner.kit.errors import InputError
from cxr.schemas.vocabulary import Licence, RejectReason

RLE_FILES = ("train-rle.csv", "stage_2_train.csv", "train-rle-sample.csv")
IMAGE_FOLDERS = ("dicom-images-train", "stage_2_images", "images")
NO_MASK = "-1"
_UID = r"^[0-9.]{1,64}$"
# Pairs of start and length; starts are relative to the end of the run before (formats.md 7).
_RLE = r"^\d+ \d+( \d+ \d+)*$"

SIIM = Corpus(
    slug="siim",
    title="SIIM-ACR Pneumothorax Segmentation",
    licence=Licence.CREDENTIALED,
    published=MappingProxyType(
        {"mask rows": 12_954, "images": 12_047, "images with pneumothorax": 2_669, "images without pneumothorax": 9_378}
    ),  # the stage 2 content, formats.md section 7
)


def read_siim(path: Path, *, headers: bool = False) -> Ingested:
    """Read the masks, and find the DICOM files where they are there; with `headers` read their headers.

    Raises InputError where the CSV of masks is missing or lacks columns.
    """
    file = _find(path)
    root = file.parent
    rows, rejects, source = _read_masks(file, root)
    images = rows.group_by("ImageId", maintain_order=True).agg(pl.col("masked").max())
    studies = _studies(images)
    shown, missing = _images(images, root)
    if headers:
        studies, shown = with_headers(studies, shown, root)
    return Ingested(
        corpus=SIIM,
        layout=file.name,
        studies=studies,
        images=shown,
        reports=pl.DataFrame(schema=REPORTS),
        rejects=rejects_frame(rejects),
        sources=(source,),
        labels=(_label_table(images),),
        counts=_counts(rows, images),
        missing=missing,
        image_root=root,
        settings={"headers": headers},
        unknown=frozenset() if headers else FROM_HEADERS,
    )


def _find(path: Path) -> Path:
    if path.is_file():
        return path
    for name in RLE_FILES:
        if (path / name).is_file():
            return path / name
    raise InputError(f"{path} holds no {RLE_FILES[0]}; expected the folder of the competition with that file")


def _read_masks(path: Path, root: Path) -> tuple[pl.DataFrame, list[Reject], SourceFile]:
    """Return ImageId and whether the row holds a mask; contradicting rows of an image are rejects."""
    data = read_bytes(path)
    table = read_csv(data, path.name, ("ImageId", "EncodedPixels"), key="ImageId")
    key, mask = pl.col("ImageId").str.strip_chars(), pl.col("EncodedPixels").str.strip_chars()
    frame = table.frame.select(
        ROW, key, (mask != NO_MASK).alias("masked"), ((mask == NO_MASK) | mask.str.contains(_RLE)).alias("valid")
    )
    known = key.str.contains(_UID).fill_null(value=False)
    valid = pl.col("valid").fill_null(value=False)
    rejects = [
        Reject(
            f"{path.name}:{row}",
            RejectReason.MISSING_KEY if blank else RejectReason.BAD_VALUE,
            f"row {row} of {path.name} needs a SOP Instance UID as ImageId, and -1 or pairs of start and length",
        )
        for row, blank in frame.filter(~(known & valid)).select(ROW, pl.col("ImageId").is_null()).iter_rows()
    ]
    good = frame.filter(known & valid)
    torn = good.group_by("ImageId").agg(pl.col("masked").n_unique().alias("n")).filter(pl.col("n") > 1)["ImageId"]
    message = f"{path.name} has both a mask and -1 for the image; it was left out"
    rejects += [Reject(image, RejectReason.DUPLICATE_KEY, message) for image in torn.sort()]
    empty = good.filter(~pl.col("masked"))
    again = empty.filter(~pl.col("ImageId").is_first_distinct() & ~pl.col("ImageId").is_in(torn.implode()))[ROW]
    message = f"{path.name} says -1 for the image a second time; it counts once"
    rejects += [Reject(f"{path.name}:{row}", RejectReason.DUPLICATE_KEY, message) for row in again]
    kept = good.filter(~pl.col("ImageId").is_in(torn.implode()) & ~pl.col(ROW).is_in(again.implode()))
    return kept, [*table.rejects, *rejects], source_file(path, root, data)


def _studies(images: pl.DataFrame) -> pl.DataFrame:
    ids = images.select(pl.format("siim/{}", "ImageId").alias("study_id"))["study_id"]
    frame = images.select(
        ids,
        pl.lit("siim").alias("corpus"),
        pl.col("ImageId").alias("source_id"),
        ids.alias("patient_id"),
        ids.map_elements(split_of, return_dtype=pl.String).alias("split"),
        pl.lit(SIIM.licence.value).alias("licence"),
    )
    return conform(frame, STUDIES)


def _images(images: pl.DataFrame, root: Path) -> tuple[pl.DataFrame, tuple[Missing, ...]]:
    files = _files(root)
    paths = pl.Series("found", [files.get(uid) for uid in images["ImageId"]], dtype=pl.String)
    study = pl.format("siim/{}", "ImageId")
    frame = images.select(
        study.alias("image_id"),
        study.alias("study_id"),
        pl.coalesce(paths, pl.format("{}.dcm", "ImageId")).alias("path"),
        pl.lit("frontal").alias("view"),
        pl.when(paths.is_not_null()).then(pl.lit("present")).otherwise(pl.lit("absent")).alias("file_status"),
    )
    absent = paths.null_count()
    what = IMAGE_FOLDERS[0] if absent == images.height else f"{absent:,} of {images.height:,} DICOM files"
    missing = (Missing(what, "these images are marked absent"),) if absent else ()
    return conform(frame, IMAGES), missing


def _files(root: Path) -> dict[str, str]:
    """Map image ids to paths: they lie two folders deep, named by series that no table lists."""
    found: dict[str, str] = {}
    for folder in IMAGE_FOLDERS:
        for place, _, names in os.walk(root / folder):
            inside = Path(place).relative_to(root).as_posix()
            found.update((name[:-4], f"{inside}/{name}") for name in names if name.endswith((".dcm", ".png")))
    return found


def _label_table(images: pl.DataFrame) -> LabelTable:
    frame = images.select(
        pl.format("siim/{}", "ImageId").alias("study_id"), pl.col("masked").cast(pl.Int8).alias("Pneumothorax")
    )
    return LabelTable("siim", None, frame)


def _counts(rows: pl.DataFrame, images: pl.DataFrame) -> tuple[Count, ...]:
    found = {
        "mask rows": rows.height,
        "images": images.height,
        "images with pneumothorax": images.filter(pl.col("masked")).height,
        "images without pneumothorax": images.filter(~pl.col("masked")).height,
    }
    return tuple(Count(what, count, SIIM.published[what]) for what, count in found.items())
