"""SIIM-ACR (Kaggle 2019): a mask or none for every image; no reports, so answers only.

An image with a mask has the label, one with `-1` has it not; nothing else is labeled. ImageId is a SOP Instance UID:
each image is a study and a patient of its own. The owner ships no split for the training images, and the public ones
divide mask rows, so that images stand on both sides: patients are split by `split_of` instead.
"""

import os
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from cxr.miner.ingest.corpus import Ingested, Missing, Reader, Reject, SourceFile, split_of
from cxr.miner.ingest.kaggle.single import Headers, single_images
from cxr.miner.ingest.read.files import ROW, read_bytes, read_csv, source_file
from cxr.miner.ingest.read.frames import status_of
from cxr.miner.kit.errors import InputError
from cxr.miner.pack.corpora import known_corpus
from cxr.schemas.vocabulary import RejectReason

SIIM = known_corpus("siim")
RLE_FILES = ("train-rle.csv", "stage_2_train.csv", "train-rle-sample.csv")
IMAGE_FOLDERS = ("dicom-images-train", "stage_2_images", "images")
NO_MASK = "-1"
_LABEL = SIIM.labels["EncodedPixels"]
_UID = r"^[0-9.]{1,64}$"
# Pairs of start and length; starts are relative to the end of the run before (formats.md 7).
_RLE = r"^\d+ \d+( \d+ \d+)*$"


def read_siim(
    path: Annotated[Path, typer.Argument(help="The folder with train-rle.csv, or that file.")],
    *,
    headers: Headers = False,
) -> Ingested:
    """Read the masks, and find the DICOM files where they are there; with `headers` read their headers.

    Raises InputError where the CSV of masks is missing or lacks columns.
    """
    file = _find(path)
    root = file.parent
    rows, rejects, source = _read_masks(file, root)
    masked = rows.group_by(pl.col("ImageId").alias("id"), maintain_order=True).agg(pl.col("masked").max())
    images, missing = _images(masked, root)
    with_mask = int(masked["masked"].sum())
    return single_images(
        SIIM,
        file.name,
        images,
        root,
        headers=headers,
        labels=masked.select("id", pl.col("masked").cast(pl.Int8).alias(_LABEL)),
        rejects=rejects,
        sources=(source,),
        found={
            "mask rows": rows.height,
            "images": masked.height,
            f"images with {_LABEL.lower()}": with_mask,
            f"images without {_LABEL.lower()}": masked.height - with_mask,
        },
        missing=missing,
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


def _images(masked: pl.DataFrame, root: Path) -> tuple[pl.DataFrame, tuple[Missing, ...]]:
    """Return id, split, path and file_status of each image, and what is not there."""
    files = _files(root)
    ids = masked["id"]
    paths = pl.Series("path", [files.get(uid) for uid in ids], dtype=pl.String)
    images = pl.DataFrame(
        {
            "id": ids,
            "split": [split_of(f"{SIIM.slug}/{uid}") for uid in ids],
            "path": [path or f"{uid}.dcm" for uid, path in zip(ids, paths, strict=True)],
            "file_status": status_of(paths.is_not_null()),
        },
        schema_overrides=dict.fromkeys(("split", "path"), pl.String),
    )
    absent = paths.null_count()
    what = IMAGE_FOLDERS[0] if absent == images.height else f"{absent:,} of {images.height:,} DICOM files"
    return images, (Missing(what, "these images are marked absent"),) if absent else ()


def _files(root: Path) -> dict[str, str]:
    """Map image ids to paths: they lie two folders deep, named by series that no table lists."""
    found: dict[str, str] = {}
    for folder in IMAGE_FOLDERS:
        for place, _, names in os.walk(root / folder):
            inside = Path(place).relative_to(root).as_posix()
            found.update((name[:-4], f"{inside}/{name}") for name in names if name.endswith((".dcm", ".png")))
    return found


CORPUS = Reader(SIIM, read_siim)
