"""OpenI, the Indiana University chest X-ray collection, in the three forms in which it is passed around.

CSV layout: `indiana_reports.csv` and `indiana_projections.csv` (Kaggle raddar/chest-xrays-indiana-university).
TGZ layout: `NLMCXR_reports.tgz` as the National Library of Medicine ships it. XML layout: that archive unpacked.

The three give the same studies with the same text, except that the CSV files leave out the 104 reports without
an image, and that a spreadsheet turned three indications into `#NAME?` (read as missing). OpenI has no patient
linkage (every report is its own patient), no dates, and no split (see `split_of`).
"""

import contextlib
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

import polars as pl
from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from miner.errors import InputError
from miner.ingest.corpus import (
    IMAGES,
    REPORTS,
    STUDIES,
    Corpus,
    Ingested,
    Reject,
    SourceFile,
    conform,
    rejects_frame,
    split_of,
    text_hash,
)
from miner.ingest.files import ROW, Member, read_bytes, read_csv, read_tar, source_file, source_folder
from schemas.vocabulary import Licence, RejectReason, ViewPosition

REPORTS_CSV = "indiana_reports.csv"
PROJECTIONS_CSV = "indiana_projections.csv"
REPORTS_TGZ = "NLMCXR_reports.tgz"
XML_FOLDER = "ecgen-radiology"

OPENI = Corpus(
    slug="openi",
    title="Indiana University chest X-ray collection (NLM Open-i)",
    licence=Licence.PUBLIC,
    published=MappingProxyType(
        {"xml_reports": 3955, "csv_reports": 3851, "xml_images": 7470, "csv_images": 7466}
    ),  # counted in the owners' files, formats.md section 8
)

# Fixed order, the order of the XML: context first, then what was seen, then what it means.
SECTIONS = ("comparison", "indication", "findings", "impression")

_IMAGE_FOLDERS = ("", "images/images_normalized", "images_normalized", "images", "NLMCXR_png")
_SPREADSHEET_ERROR = "#NAME?"


class Layout(StrEnum):
    """Which of the three forms to read."""

    AUTO = "auto"
    """What is there; of several the CSV layout, then the archive, then a folder of XML."""
    CSV = "csv"
    TGZ = "tgz"
    XML = "xml"


class _Raw(NamedTuple):
    """A layout as read: `reports` has key, number and SECTIONS; `images` has image_id, number, path and view."""

    reports: pl.DataFrame
    images: pl.DataFrame
    rejects: list[Reject]
    sources: tuple[SourceFile, ...]
    notes: tuple[str, ...]


def read_openi(path: Path, layout: Layout = Layout.AUTO) -> Ingested:
    """Read OpenI from a folder, one of its CSV or XML files, or its archive.

    Raises InputError where there is nothing to read; reports that cannot be used are in `rejects`.
    """
    chosen, place, also = _find(path, layout)
    root = path if path.is_dir() else path.parent
    raw = {Layout.CSV: _read_csv_layout, Layout.TGZ: _read_tgz, Layout.XML: _read_xml_folder}[chosen](place, root)
    if raw.reports.is_empty() and not raw.rejects:
        raise InputError(f"{place.name} holds no report; expected one row or file for each report")
    notes = (*raw.notes, *_count_note(chosen, raw.reports.height))
    if also:
        found = " and ".join(f"{other} layout" for other in also)
        notes = (*notes, f"read the {chosen} layout; {path.name} also holds the {found} (--layout chooses)")
    return _assemble(raw, chosen, root, notes)


# --- finding the files ---------------------------------------------------------------------------------------


def _find(path: Path, layout: Layout) -> tuple[Layout, Path, list[Layout]]:
    """Return the layout to read, where it lies, and the other layouts that lie there too."""
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a folder with {REPORTS_CSV}, {REPORTS_TGZ} or XML reports")
    try:
        there = _layouts_in(path) if path.is_dir() else _layout_of(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    wanted = [kind for kind in there if layout in (Layout.AUTO, kind)]
    if not wanted:
        kind = "OpenI reports" if layout is Layout.AUTO else f"the {layout} layout of OpenI"
        raise InputError(
            f"{path} holds no {kind.removeprefix('the ')}; expected {REPORTS_CSV}, {REPORTS_TGZ} or a folder of XML "
            "reports: point at the folder that holds one of them"
        )
    others = [kind for kind in there if kind is not wanted[0]] if layout is Layout.AUTO else []
    return wanted[0], there[wanted[0]], others


def _layouts_in(folder: Path) -> dict[Layout, Path]:
    there: dict[Layout, Path] = {}
    if (folder / REPORTS_CSV).is_file():
        there[Layout.CSV] = folder / REPORTS_CSV
    if (folder / REPORTS_TGZ).is_file():
        there[Layout.TGZ] = folder / REPORTS_TGZ
    for place in (folder, folder / XML_FOLDER):
        if place.is_dir() and next(place.glob("*.xml"), None) is not None:
            there[Layout.XML] = place
            break
    return there


def _layout_of(file: Path) -> dict[Layout, Path]:
    name = file.name.lower()
    if name.endswith(".csv"):
        return {Layout.CSV: file}
    if name.endswith((".tgz", ".tar.gz", ".tar")):
        return {Layout.TGZ: file}
    return {Layout.XML: file} if name.endswith(".xml") else {}


def _image_files(root: Path) -> dict[str, str]:
    """Return the image files beside the reports: name to path relative to the root."""
    found: dict[str, str] = {}
    for folder in _IMAGE_FOLDERS:
        place = root / folder
        with contextlib.suppress(OSError):  # no such folder, or one that we may not look into
            images = (file for file in place.iterdir() if file.suffix in (".png", ".jpg", ".dcm"))
            found.update((file.name, file.relative_to(root).as_posix()) for file in images)
    return found


def _count_note(layout: Layout, found: int) -> tuple[str, ...]:
    published = OPENI.published["csv_reports" if layout is Layout.CSV else "xml_reports"]
    if found == published:
        return ()
    return (f"found {found:,} reports; the published {layout} layout has {published:,}",)


# --- the CSV layout ------------------------------------------------------------------------------------------


def _read_csv_layout(path: Path, root: Path) -> _Raw:
    data = read_bytes(path)
    table = read_csv(data, path.name, ("uid", *SECTIONS), key="uid")
    sections = [pl.when(pl.col(name) != _SPREADSHEET_ERROR).then(pl.col(name)).alias(name) for name in SECTIONS]
    number = pl.col("uid").str.strip_chars()
    key = pl.coalesce(number, pl.format("{}:{}", pl.lit(path.name), pl.col(ROW)))
    reports = table.frame.select(key.alias("key"), number.alias("number"), *sections)
    images, rejects, sources, notes = _read_projections(path.parent / PROJECTIONS_CSV, root)
    return _Raw(
        reports, images, table.rejects + rejects, (source_file(path, root, data), *sources), notes
    )  # fmt: skip


def _read_projections(
    path: Path, root: Path
) -> tuple[pl.DataFrame, list[Reject], tuple[SourceFile, ...], tuple[str, ...]]:
    if not path.is_file():
        note = f"{path.name} is missing: the studies have no images, so image paths and views stay empty"
        return _images_frame([]), [], (), (note,)
    data = read_bytes(path)
    table = read_csv(data, path.name, ("uid", "filename", "projection"), key="filename")
    stem = pl.col("filename").str.replace(r"(\.dcm)?\.(png|jpg)$", "").str.replace(r"\.dcm$", "")
    uid = pl.col("uid").str.strip_chars()
    # The XML calls the images of report 1 CXR1_1_..., all others CXR<stem> (formats.md 8.2).
    image_id = pl.when(uid == "1").then(pl.format("CXR1_{}", stem)).otherwise(pl.format("CXR{}", stem))
    view = pl.col("projection").str.to_lowercase().str.strip_chars()
    known = view.is_in([member.value for member in ViewPosition])
    frame = table.frame.select(
        image_id.alias("image_id"),
        uid.alias("number"),
        pl.col("filename").alias("path"),
        pl.when(known).then(view).when(view.is_not_null()).then(pl.lit("other")).alias("view"),
        pl.col(ROW),
    )
    bad = frame.filter(pl.col("number").is_null() | pl.col("path").is_null())
    rejects = [
        Reject(f"{path.name}:{row}", RejectReason.MISSING_KEY, f"row {row} of {path.name} has no uid or no filename")
        for row in bad[ROW]
    ]
    images = frame.filter(pl.col("number").is_not_null() & pl.col("path").is_not_null()).drop(ROW)
    return images, table.rejects + rejects, (source_file(path, root, data),), ()


def _images_frame(rows: Sequence[tuple[str, str, str, str | None]]) -> pl.DataFrame:
    columns = dict.fromkeys(("image_id", "number", "path", "view"), pl.String)
    return pl.DataFrame(rows, schema=columns, orient="row")


# --- the XML layouts -----------------------------------------------------------------------------------------


def _read_tgz(path: Path, root: Path) -> _Raw:
    return _from_xml(read_tar(path, ".xml"), path, (source_file(path, root),))


def _read_xml_folder(path: Path, root: Path) -> _Raw:
    files = sorted(path.glob("*.xml")) if path.is_dir() else [path]
    members = [(file, read_bytes(file)) for file in files]
    return _from_xml((Member(file.name, data) for file, data in members), path, (source_folder(members, root),))


def _from_xml(members: Iterable[Member | Reject], path: Path, sources: tuple[SourceFile, ...]) -> _Raw:
    reports: list[tuple[str | None, ...]] = []
    images: list[tuple[str, str, str, str | None]] = []
    rejects: list[Reject] = []
    seen = 0
    numbers: set[str] = set()
    for member in members:
        if isinstance(member, Reject):
            rejects.append(member)
            continue
        seen += 1
        root = _parse(member)
        if isinstance(root, Reject):
            rejects.append(root)
            continue
        number = _number(root)
        reports.append((number or member.name, number, *_abstract(root)))
        if number is not None and number not in numbers:
            numbers.add(number)
            images.extend((image, number, f"{image}.png", None) for image in _image_ids(root))
    if not seen:
        raise InputError(f"{path} holds no XML reports; expected those of {REPORTS_TGZ}")
    columns = dict.fromkeys(("key", "number", *SECTIONS), pl.String)
    frame = pl.DataFrame(reports, schema=columns, orient="row")
    note = "the XML does not say which view an image shows: the CSV layout does"
    return _Raw(frame, _images_frame(images), rejects, sources, (note,))


def _parse(member: Member) -> Element | Reject:
    try:
        member.data.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"the file is not UTF-8 (byte {error.start}); expected the XML as NLM ships it"
        return Reject(member.name, RejectReason.NOT_UTF8, message)
    try:
        root: Element = fromstring(member.data)
    except ParseError as error:
        line, column = error.position
        message = f"the XML is not well-formed (line {line}, column {column})"
        return Reject(member.name, RejectReason.BROKEN_XML, message)
    except DefusedXmlException:
        message = "the XML declares entities or refers to other files, which no OpenI report does; it was not read"
        return Reject(member.name, RejectReason.BROKEN_XML, message)
    return root


def _number(root: Element) -> str | None:
    """Return n of `<uId id="CXRn"/>`."""
    node = root.find("uId")
    value = (node.get("id") or "").strip() if node is not None else ""
    return value.removeprefix("CXR") or None


def _abstract(root: Element) -> tuple[str | None, ...]:
    texts: dict[str, str] = {}
    for node in root.iter("AbstractText"):
        label = (node.get("Label") or "").strip().lower()
        text = "".join(node.itertext())
        if label and text.strip():
            texts[label] = text
    return tuple(texts.get(name) for name in SECTIONS)


def _image_ids(root: Element) -> list[str]:
    return [image for node in root.iter("parentImage") if (image := (node.get("id") or "").strip())]


# --- rows of the store ---------------------------------------------------------------------------------------


def _assemble(raw: _Raw, layout: Layout, root: Path, notes: tuple[str, ...]) -> Ingested:
    reports, rejects = _usable(raw.reports, raw.images)
    kept = reports.select(pl.col("number"), pl.format("openi/CXR{}", pl.col("number")).alias("study_id"))
    images, image_rejects = _usable_images(raw, kept, _image_files(root))
    texts = _texts(reports.join(kept, on="number", maintain_order="left"))
    return Ingested(
        corpus=OPENI,
        layout=layout.value,
        studies=_studies(texts, images),
        images=images,
        reports=texts.select(pl.col(name).cast(kind) for name, kind in REPORTS.items()),
        rejects=rejects_frame([*raw.rejects, *rejects, *image_rejects]),
        sources=raw.sources,
        notes=notes,
        image_root=root,
    )


def _usable(reports: pl.DataFrame, images: pl.DataFrame) -> tuple[pl.DataFrame, list[Reject]]:
    """Part the reports that can be stored from the rejects."""
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


def _usable_images(raw: _Raw, kept: pl.DataFrame, files: dict[str, str]) -> tuple[pl.DataFrame, list[Reject]]:
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
    places = pl.col("path").replace_strict(files, default=None, return_dtype=pl.String)
    frame = images.select(
        pl.format("openi/{}", pl.col("image_id")).alias("image_id"),
        pl.col("study_id"),
        pl.coalesce(places, pl.col("path")).alias("path"),
        pl.col("view"),
        pl.lit(None).alias("view_position"),
        pl.lit(None).alias("width"),
        pl.lit(None).alias("height"),
        pl.when(places.is_not_null()).then(pl.lit("present")).otherwise(pl.lit("absent")).alias("file_status"),
    )
    return conform(frame, IMAGES), rejects


def _texts(reports: pl.DataFrame) -> pl.DataFrame:
    """Build each report's text from its sections, and the offsets of the sections in it."""
    position = pl.lit(0, dtype=pl.Int32)
    spans, parts = [], []
    for name in SECTIONS:
        present = pl.col(name).is_not_null()
        start = position + len(name) + 2  # "FINDINGS: "
        end = start + pl.col(name).str.len_chars().cast(pl.Int32)
        span = pl.struct(pl.lit(name).alias("name"), start.alias("start"), end.alias("end"))
        spans.append(pl.when(present).then(span))
        parts.append(pl.format(name.upper() + ": {}", pl.col(name)))
        position = pl.when(present).then(end + 1).otherwise(position)  # 1: the newline
    built = reports.with_columns(
        pl.concat_str(parts, separator="\n", ignore_nulls=True).alias("text"),
        pl.concat_list(spans).list.drop_nulls().alias("sections"),
    )
    hashes = built["text"].map_elements(text_hash, return_dtype=pl.String)
    return built.with_columns(hashes.alias("text_hash"))


def _studies(texts: pl.DataFrame, images: pl.DataFrame) -> pl.DataFrame:
    listed = images.group_by("study_id", maintain_order=True).agg(
        pl.concat_str("image_id", "path", pl.col("view").fill_null(""), "file_status", separator=" ")
        .str.join("\n")
        .alias("listed")
    )
    rows = texts.join(listed, on="study_id", how="left", maintain_order="left")
    content = pl.concat_str("study_id", "text_hash", pl.col("listed").fill_null(""), separator="\n")
    splits = rows["study_id"].map_elements(split_of, return_dtype=pl.String)
    frame = rows.select(
        pl.col("study_id"),
        pl.lit("openi").alias("corpus"),
        pl.format("CXR{}", pl.col("number")).alias("source_id"),
        pl.col("study_id").alias("patient_id"),
        splits.alias("split"),
        pl.lit(OPENI.licence.value).alias("licence"),
        content.map_elements(text_hash, return_dtype=pl.String).alias("row_hash"),
    )
    return conform(frame, STUDIES)
