"""The forms of OpenI as they are read: reports by their sections, and images, before anything is decided."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

import polars as pl
from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from cxr.miner.ingest.corpus import Reject, SourceFile
from cxr.miner.ingest.read.files import ROW, Member, read_bytes, read_csv, read_tar, source_file, source_folder
from cxr.miner.kit.errors import InputError
from cxr.miner.pack import pack
from cxr.schemas.vocabulary import RejectReason

REPORTS_CSV = "indiana_reports.csv"
PROJECTIONS_CSV = "indiana_projections.csv"
REPORTS_TGZ = "NLMCXR_reports.tgz"

# Fixed order, the order of the XML: context first, then what was seen, then what it means.
SECTIONS = ("comparison", "indication", "findings", "impression")

_SPREADSHEET_ERROR = "#NAME?"


class Raw(NamedTuple):
    """A layout as read: `reports` has key, number and SECTIONS; `images` has image_id, number, path and view."""

    reports: pl.DataFrame
    images: pl.DataFrame
    rejects: list[Reject]
    sources: tuple[SourceFile, ...]
    notes: tuple[str, ...]
    unknown: frozenset[str]
    """What this form says nothing about (`Ingested.unknown`)."""
    lists_images: bool = True


# --- the CSV layout ------------------------------------------------------------------------------------------


def read_csv_layout(path: Path, root: Path) -> Raw:
    """Read the reports, and the projections beside them; InputError where columns are missing."""
    data = read_bytes(path)
    table = read_csv(data, path.name, ("uid", *SECTIONS), key="uid")
    sections = [pl.when(pl.col(name) != _SPREADSHEET_ERROR).then(pl.col(name)).alias(name) for name in SECTIONS]
    number = pl.col("uid").str.strip_chars()
    key = pl.coalesce(number, pl.format("{}:{}", pl.lit(path.name), pl.col(ROW)))
    reports = table.frame.select(key.alias("key"), number.alias("number"), *sections)
    images, rejects, sources, notes = _read_projections(path.parent / PROJECTIONS_CSV, root)
    # The CSV lacks four images that the XML lists, so an image that it does not name is not gone.
    return Raw(
        reports,
        images,
        table.rejects + rejects,
        (source_file(path, root, data), *sources),
        notes,
        unknown=frozenset({"images"}),
        lists_images=bool(sources),
    )


def _read_projections(
    path: Path, root: Path
) -> tuple[pl.DataFrame, list[Reject], tuple[SourceFile, ...], tuple[str, ...]]:
    if not path.is_file():
        note = (
            f"{path.name} is missing: no images are listed, so paths and views stay empty, or as they are in the store"
        )
        return _images_frame([]), [], (), (note,)
    data = read_bytes(path)
    table = read_csv(data, path.name, ("uid", "filename", "projection"), key="filename")
    stem = pl.col("filename").str.replace(r"(\.dcm)?\.(png|jpg)$", "").str.replace(r"\.dcm$", "")
    uid = pl.col("uid").str.strip_chars()
    # The XML calls the images of report 1 CXR1_1_..., all others CXR<stem> (formats.md 8.2).
    image_id = pl.when(uid == "1").then(pl.format("CXR1_{}", stem)).otherwise(pl.format("CXR{}", stem))
    view = pl.col("projection").str.to_lowercase().str.strip_chars()
    known = view.is_in([each.name for each in pack().views.view])
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


def read_tgz(path: Path, root: Path) -> Raw:
    """Read the archive of XML; InputError where it is damaged or holds no XML."""
    return _from_xml(read_tar(path, ".xml"), path, (source_file(path, root),))


def read_xml_folder(path: Path, root: Path) -> Raw:
    """Read a folder of XML, or one file of it; files that cannot be opened are rejects."""
    files = sorted(path.glob("*.xml")) if path.is_dir() else [path]
    members: list[tuple[Path, bytes]] = []
    refused: list[Reject] = []
    for file in files:
        try:
            members.append((file, file.read_bytes()))
        except OSError as error:
            message = f"the file cannot be opened ({error.strerror or type(error).__name__}); check its permissions"
            refused.append(Reject(file.name, RejectReason.UNREADABLE, message))
    if not members and refused:
        raise InputError(f"none of the {len(refused):,} XML reports in {path} can be opened; check their permissions")

    def read() -> Iterator[Member | Reject]:
        yield from refused
        yield from (Member(file.name, data) for file, data in members)

    return _from_xml(read(), path, (source_folder(members, root),))


def _from_xml(members: Iterable[Member | Reject], path: Path, sources: tuple[SourceFile, ...]) -> Raw:
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
        why = f": {rejects[0].key} was not read, {rejects[0].message}" if rejects else ""
        raise InputError(f"{path} holds no XML reports; expected those of {REPORTS_TGZ}{why}")
    columns = dict.fromkeys(("key", "number", *SECTIONS), pl.String)
    frame = pl.DataFrame(reports, schema=columns, orient="row")
    note = "the XML does not say which view an image shows, the CSV layout does: views that the store has stay"
    return Raw(frame, _images_frame(images), rejects, sources, (note,), unknown=frozenset({"view", "path"}))


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
    except (LookupError, ValueError):
        message = "the XML declares an encoding that is none, or that it is not in; expected the XML as NLM ships it"
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
