"""OpenI, the Indiana University collection, in the three forms in which it is passed around.

CSV layout: `indiana_reports.csv` and `indiana_projections.csv` (raddar's data set on Kaggle).
TGZ layout: `NLMCXR_reports.tgz` as the National Library of Medicine ships it. XML layout: that archive unpacked.

The three give the same studies with the same text, except that the CSV files leave out the 104 reports without
an image, and that a spreadsheet turned three indications into `#NAME?` (read as missing). OpenI has no patient
linkage (every report is its own patient), no dates, and no split (see `split_of`).
"""

import contextlib
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from cxr.miner.ingest.corpus import (
    IMAGES,
    REPORTS,
    STUDIES,
    Count,
    Ingested,
    Reader,
    Reject,
    conform,
    rejects_frame,
    split_of,
)
from cxr.miner.ingest.openi.layouts import (
    REPORTS_CSV,
    REPORTS_TGZ,
    SECTIONS,
    Raw,
    read_csv_layout,
    read_tgz,
    read_xml_folder,
)
from cxr.miner.ingest.read.blank import cell, reading
from cxr.miner.ingest.read.files import find_layout
from cxr.miner.ingest.read.frames import canonical_texts, status_of
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.settings import choose
from cxr.miner.pack.corpora import known_corpus
from cxr.schemas.vocabulary import RejectReason

OPENI = known_corpus("openi")
XML_FOLDER = "ecgen-radiology"

_IMAGE_FOLDERS = ("", "images/images_normalized", "images_normalized", "images", "NLMCXR_png")


class Layout(StrEnum):
    """Which of the three forms to read."""

    AUTO = "auto"
    """What is there; of several the CSV layout, then the archive, then a folder of XML."""
    CSV = "csv"
    TGZ = "tgz"
    XML = "xml"


def read_openi(
    path: Annotated[Path, typer.Argument(help="The folder with the CSVs, the .tgz of XML, or a folder of XML.")],
    layout: Annotated[
        str, typer.Option(help="auto, csv, tgz or xml; auto takes the first of these that is there.")
    ] = "auto",
) -> Ingested:
    """Read OpenI from a folder, one of its CSV or XML files, or its archive.

    Raises InputError where there is nothing to read; reports that cannot be used are in `rejects`.
    """
    wanted = choose(Layout, layout, "ingest openi: --layout")
    kind = "OpenI reports" if wanted is Layout.AUTO else f"{wanted} layout of OpenI"
    chosen, place, also = find_layout(
        path,
        wanted,
        _layouts,
        f"a folder with {REPORTS_CSV}, {REPORTS_TGZ} or XML reports",
        f"{kind}; expected {REPORTS_CSV}, {REPORTS_TGZ} or a folder of XML reports: point at the folder that holds one "
        "of them",
    )
    root = path if path.is_dir() else path.parent
    raw = {Layout.CSV: read_csv_layout, Layout.TGZ: read_tgz, Layout.XML: read_xml_folder}[chosen](place, root)
    if raw.reports.is_empty() and not raw.rejects:
        raise InputError(f"{place.name} holds no report; expected one row or file for each report")
    notes = raw.notes
    if also and wanted is Layout.AUTO:
        found = " and ".join(f"{other} layout" for other in also)
        notes = (*notes, f"read the {chosen} layout; {path.name} also holds the {found} (--layout chooses)")
    return _assemble(raw, chosen, root, notes)


# --- finding the files ---------------------------------------------------------------------------------------


def _layouts(place: Path) -> dict[Layout, Path]:
    if not place.is_dir():
        name = place.name.lower()
        of = {".csv": Layout.CSV, ".tgz": Layout.TGZ, ".tar.gz": Layout.TGZ, ".tar": Layout.TGZ, ".xml": Layout.XML}
        return next(({layout: place} for suffix, layout in of.items() if name.endswith(suffix)), {})
    there: dict[Layout, Path] = {}
    if (place / REPORTS_CSV).is_file():
        there[Layout.CSV] = place / REPORTS_CSV
    if (place / REPORTS_TGZ).is_file():
        there[Layout.TGZ] = place / REPORTS_TGZ
    for folder in (place, place / XML_FOLDER):
        if folder.is_dir() and next(folder.glob("*.xml"), None) is not None:
            there[Layout.XML] = folder
            break
    return there


def _image_files(root: Path) -> dict[str, str]:
    """Return the image files beside the reports: stem to path relative to the root."""
    found: dict[str, str] = {}
    for folder in _IMAGE_FOLDERS:
        place = root / folder
        with contextlib.suppress(OSError):  # no such folder, or one that we may not look into
            images = (file for file in place.iterdir() if file.suffix in (".png", ".jpg", ".dcm"))
            found.update((_stem(file.name), file.relative_to(root).as_posix()) for file in images)
    return found


def _stem(name: str) -> str:
    """Return 1_IM-0001-4001 of 1_IM-0001-4001.dcm.png (the CSV) and of CXR1_1_IM-0001-4001.png (the XML)."""
    bare = re.sub(r"(\.dcm)?\.(png|jpg)$|\.dcm$", "", name)
    return re.sub(r"^CXR(?:1_(?=1_IM))?", "", bare)


# --- rows of the store ---------------------------------------------------------------------------------------


def _assemble(raw: Raw, layout: Layout, root: Path, notes: tuple[str, ...]) -> Ingested:
    reports, rejects = _usable(raw.reports.with_columns(*map(cell, SECTIONS)), raw.images)
    kept = reports.select(pl.col("number"), pl.format(f"openi/{OPENI.study_prefix}{{}}", "number").alias("study_id"))
    files = _image_files(root)
    images, image_rejects = _usable_images(raw, kept, files)
    texts = canonical_texts(reports.join(kept, on="number", maintain_order="left"), [(name, name) for name in SECTIONS])
    return Ingested(
        corpus=OPENI,
        layout=layout.value,
        studies=_studies(texts),
        images=images,
        reports=conform(texts, REPORTS),
        rejects=rejects_frame([*raw.rejects, *rejects, *image_rejects]),
        sources=raw.sources,
        notes=notes,
        counts=_counts(raw, layout),
        image_root=root,
        unknown=raw.unknown if files else raw.unknown | {"image_root"},
    )


def _usable(reports: pl.DataFrame, images: pl.DataFrame) -> tuple[pl.DataFrame, list[Reject]]:
    """Part the reports that can be stored from the rejects."""
    reports = reports.with_columns(reading("findings"), reading("impression"))
    number, silent = pl.col("number"), pl.col("findings").is_null() & pl.col("impression").is_null()
    reason = (
        pl.when(number.is_null())
        .then(pl.lit(RejectReason.MISSING_KEY.value))
        .when(~number.str.contains(r"^[0-9]{1,9}$"))
        .then(pl.lit(RejectReason.BAD_VALUE.value))
        .when(~number.is_first_distinct())
        .then(pl.lit(RejectReason.DUPLICATE_KEY.value))
        .when(silent)
        .then(pl.lit(RejectReason.NO_FINDINGS_NOR_IMPRESSION.value))
    )
    judged = reports.with_columns(reason.alias("reason"))
    counts = dict(images.group_by("number").len().iter_rows())
    bad = judged.filter(pl.col("reason").is_not_null()).select("key", "number", "reason")
    rejects = [
        Reject(_reject_key(key, number), RejectReason(reason), _why(RejectReason(reason), counts.get(number, 0)))
        for key, number, reason in bad.iter_rows()
    ]
    return judged.filter(pl.col("reason").is_null()).drop("reason"), rejects


def _reject_key(key: str, number: str | None) -> str:
    return f"CXR{number}" if number is not None and number.isdigit() else key[:80]


def _why(reason: RejectReason, images: int) -> str:
    match reason:
        case RejectReason.MISSING_KEY:
            return "the report has no id (uid in the CSV, uId in the XML)"
        case RejectReason.BAD_VALUE:
            return "the report's id is not a number, as every OpenI id is"
        case RejectReason.DUPLICATE_KEY:
            return "an earlier report has the same id; that one and its images were kept"
        case _:
            return f"the report has neither findings nor impression; its {images} images are left out with it"


def _usable_images(raw: Raw, kept: pl.DataFrame, files: dict[str, str]) -> tuple[pl.DataFrame, list[Reject]]:
    """Join the images to their studies; an image of a rejected report goes with it, an orphan is a reject."""
    first = pl.col("image_id").is_first_distinct()
    known = pl.col("number").is_in(raw.reports["number"].drop_nulls().to_list())
    orphans = raw.images.filter(~known)["path"].to_list()
    repeated = raw.images.filter(known & ~first)["path"].to_list()
    rejects = [
        Reject(path[:80], RejectReason.UNKNOWN_STUDY, "the image belongs to a report that is not in the corpus")
        for path in orphans
    ] + [
        Reject(path[:80], RejectReason.DUPLICATE_KEY, "the image is listed before; the first was kept")
        for path in repeated
    ]
    images = raw.images.filter(known & first).join(kept, on="number", maintain_order="left")
    stems = images["path"].map_elements(_stem, return_dtype=pl.String)
    places = stems.replace_strict(files, default=None, return_dtype=pl.String).alias("place")
    frame = images.with_columns(places).select(
        pl.format("openi/{}", pl.col("image_id")).alias("image_id"),
        pl.col("study_id"),
        pl.coalesce("place", "path").alias("path"),
        pl.col("view"),
        pl.lit(None).alias("view_position"),
        pl.lit(None).alias("width"),
        pl.lit(None).alias("height"),
        status_of(places.is_not_null()),
    )
    return conform(frame, IMAGES), rejects


def _studies(texts: pl.DataFrame) -> pl.DataFrame:
    splits = texts["study_id"].map_elements(split_of, return_dtype=pl.String)
    frame = texts.select(
        pl.col("study_id"),
        pl.lit("openi").alias("corpus"),
        pl.format(f"{OPENI.study_prefix}{{}}", "number").alias("source_id"),
        pl.col("study_id").alias("patient_id"),
        splits.alias("split"),
        pl.lit(OPENI.licence.value).alias("licence"),
    )
    return conform(frame, STUDIES)


def _counts(raw: Raw, layout: Layout) -> tuple[Count, ...]:
    form = "csv" if layout is Layout.CSV else "xml"
    reports = Count("reports", raw.reports.height, OPENI.published[f"{form}_reports"])
    images = Count("images", raw.images.height, OPENI.published[f"{form}_images"])
    return (reports, images) if raw.lists_images else (reports,)


CORPUS = Reader(OPENI, read_openi)
