"""Where the reports of MIMIC-CXR lie: `mimic-cxr-reports.zip`, the unpacked tree, or a sectioned CSV.

Nothing is unpacked here. The zip's directory is checked before a report is read: names that leave the archive,
encrypted members, links, sizes that no report has and archives that unpack to far more than their size explains.
"""

import os
import re
import stat
import struct
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import polars as pl

from cxr.miner.ingest.corpus import Reject, SourceFile, rejects_frame
from cxr.miner.ingest.read.files import MAX_ARCHIVE_BYTES, MAX_RATIO, find_layout
from cxr.miner.ingest.read.members import MAX_REPORT_BYTES
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.memory import no_collecting
from cxr.schemas.vocabulary import RejectReason, Stage

REPORTS_ZIP = "mimic-cxr-reports.zip"
SECTIONED_CSV = "mimic_cxr_sectioned.csv"
TREE = "files"

_REPORT = r"(?:^|/)p([0-9]{8})/s([0-9]{8})\.txt$"
_RATIO_MATTERS_FROM = 1024 * 1024
_ENCRYPTED = 0x1
_RELEASE = re.compile(r"[0-9]+(\.[0-9]+)+")


class Layout(StrEnum):
    """Which form of the reports to read."""

    AUTO = "auto"
    """What is there; of several the zip, then the tree, then the sectioned CSV."""
    ZIP = "zip"
    TREE = "tree"
    SECTIONED = "sectioned"


class Reports(NamedTuple):
    """The report files that were found, each study once, as a frame with the columns of MEMBERS."""

    source: Path
    members: pl.DataFrame
    rejects: pl.DataFrame
    ignored: int
    """Files that are no reports (README, LICENSE)."""


MEMBERS: dict[str, pl.DataType | type[pl.DataType]] = {
    "study_id": pl.String,
    "patient_id": pl.String,
    "name": pl.String,
    "offset": pl.Int64,
    "packed": pl.Int64,
    "size": pl.Int64,
    "method": pl.Int32,
    "crc": pl.Int64,
}
"""What `members.Member` needs, and the patient. In a tree, offset is -1 and the numbers after it are 0."""


def find_reports(path: Path, layout: Layout) -> tuple[Layout, Path, list[Layout]]:
    """Return the layout to read, where it lies, and the other layouts that lie there too.

    Raises InputError where there is no report to read: without reports nothing can be mined.
    """
    what = "MIMIC-CXR reports" if layout is Layout.AUTO else f"MIMIC-CXR reports in the {layout} layout"
    return find_layout(
        path,
        layout,
        _layouts_of_release,
        f"the folder of MIMIC-CXR with {REPORTS_ZIP} or files/",
        f"{what}; expected {REPORTS_ZIP}, the unpacked folder files/p10/... or {SECTIONED_CSV}: the reports come from "
        "PhysioNet's mimic-cxr, the images from mimic-cxr-jpg (--jpg)",
    )


def _layouts_of_release(path: Path) -> dict[Layout, Path]:
    """Return the layouts in a folder and in the releases below it; the nearest place of each, the latest release."""
    there: dict[Layout, Path] = {}
    for place in (path, *releases(path)):
        there = there | {layout: found for layout, found in _layouts(place).items() if layout not in there}
    return there


def releases(folder: Path) -> list[Path]:
    """Return the folders named as releases below a folder, such as 2.1.0, the latest first."""
    named = [place for place in folder.glob("[0-9]*.[0-9]*") if place.is_dir() and _RELEASE.fullmatch(place.name)]
    return sorted(named, key=lambda place: tuple(map(int, place.name.split("."))), reverse=True)


def _layouts(place: Path) -> dict[Layout, Path]:
    if not place.is_dir():
        of = {".zip": Layout.ZIP, ".csv": Layout.SECTIONED, ".csv.gz": Layout.SECTIONED}
        return next(({layout: place} for suffix, layout in of.items() if place.name.lower().endswith(suffix)), {})
    there: dict[Layout, Path] = {}
    if (place / REPORTS_ZIP).is_file():
        there[Layout.ZIP] = place / REPORTS_ZIP
    for folder in (place / TREE, place / "mimic-cxr-reports" / TREE, place):
        if folder.is_dir() and any(group.is_dir() for group in folder.glob("p1[0-9]")) and _has_report(folder):
            there[Layout.TREE] = folder
            break
    if (place / SECTIONED_CSV).is_file():
        there[Layout.SECTIONED] = place / SECTIONED_CSV
    return there


def _has_report(place: Path) -> bool:
    """Return whether a tree holds reports: that of MIMIC-CXR-JPG has the same shape, and images only."""
    for folders, (_, status) in enumerate(_walk(place, [])):
        if status is not None:
            return True
        if folders > 200:  # patients without a report: this is the tree of images
            break
    return False


# --- the zip ---------------------------------------------------------------------------------------------------


def zip_reports(path: Path) -> Reports:
    """Read the zip's directory. Raises InputError for a file that is no zip, is cut short, or is a bomb."""
    entries = _directory(path)
    size = path.stat().st_size
    _refuse_bomb(path.name, entries, size)
    files = entries.filter(~pl.col("name").str.ends_with("/"))
    named = files.with_columns(_is_report().alias("is_report"), ratio_limit=pl.col("packed") * MAX_RATIO)
    too_large = (pl.col("size") > MAX_REPORT_BYTES) | (
        pl.col("size") > pl.max_horizontal(pl.lit(_RATIO_MATTERS_FROM), pl.col("ratio_limit"))
    )
    link = pl.col("attributes") // 2**16 // 2**12 == stat.S_IFLNK // 2**12
    return _sorted_out(
        path,
        named,
        (
            (~_safe_name(), RejectReason.UNSAFE_PATH, "the name is absolute or leads out of the archive; not read"),
            (link, RejectReason.UNSAFE_PATH, "the zip member is a link; only plain files are read"),
            (
                pl.col("is_report") & (pl.col("flags") % 2 == _ENCRYPTED),
                RejectReason.UNREADABLE,
                "the zip member is encrypted; expected the archive as PhysioNet ships it",
            ),
            (
                pl.col("is_report") & ~pl.col("method").is_in([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
                RejectReason.UNREADABLE,
                "the zip member is packed by a method other than deflate; expected the archive as PhysioNet ships it",
            ),
            (
                pl.col("is_report") & too_large,
                RejectReason.BAD_VALUE,
                "the zip member unpacks to a size that no report has; it was not read",
            ),
        ),
    )


def _directory(path: Path) -> pl.DataFrame:
    """Return a row per member, in the order of the archive; the objects of a quarter of a million of them go at once.

    Raises InputError for a file that is no zip file or is cut short.
    """
    try:
        with no_collecting(), zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError):
        raise InputError(
            f"{path.name} is no whole zip file (it has no readable directory at its end); expected the archive as its "
            "owner ships it: download it again"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    columns = {
        "name": "filename", "offset": "header_offset", "packed": "compress_size", "size": "file_size",
        "method": "compress_type", "crc": "CRC", "flags": "flag_bits", "attributes": "external_attr",
    }  # fmt: skip
    kinds = {**MEMBERS, "flags": pl.Int32, "attributes": pl.Int64}
    return pl.DataFrame(
        {name: [getattr(entry, its) for entry in entries] for name, its in columns.items()},
        schema={name: kinds[name] for name in columns},
    )


def _refuse_bomb(name: str, entries: pl.DataFrame, size: int) -> None:
    unpacked, packed = int(entries["size"].sum()), int(entries["packed"].sum())
    if packed > size:
        raise InputError(f"{name} has members that overlap, as only a zip bomb has; check where it comes from")
    if unpacked > min(MAX_ARCHIVE_BYTES, max(64 * _RATIO_MATTERS_FROM, size * MAX_RATIO)):
        raise InputError(
            f"{name} unpacks to {unpacked:,} bytes, which its {size:,} do not explain; expected an archive of reports: "
            "check where it comes from"
        )


def _safe_name() -> pl.Expr:
    """Return whether a name stays inside the archive on every system (as `is_safe_name`)."""
    name = pl.col("name").str.replace_all("\\", "/", literal=True)
    leads_out = name.str.contains(r"(?:^|/)\.\.(?:/|$)")
    return ~(name.str.starts_with("/") | leads_out | name.str.contains(r"^.:") | name.str.contains("\0", literal=True))


def _is_report() -> pl.Expr:
    return pl.col("name").str.contains(_REPORT)


def _sorted_out(source: Path, files: pl.DataFrame, problems: Sequence[tuple[pl.Expr, RejectReason, str]]) -> Reports:
    """Part report files from rejects and from what is no report; the first file of a study counts."""
    rejects: list[pl.DataFrame] = []
    for condition, reason, message in problems:
        rejects.append(_rejected(files.filter(condition), reason, message))
        files = files.filter(~condition)
    reports = files.filter(pl.col("is_report"))
    numbers = reports.with_columns(
        pl.concat_str(pl.lit("mimic-cxr/s"), pl.col("name").str.extract(_REPORT, 2)).alias("study_id"),
        pl.concat_str(pl.lit("mimic-cxr/p"), pl.col("name").str.extract(_REPORT, 1)).alias("patient_id"),
    )
    first = pl.col("study_id").is_first_distinct()
    again = "an earlier file has the report of this study; that one was kept"
    rejects.append(_rejected(numbers.filter(~first), RejectReason.DUPLICATE_KEY, again))
    members = numbers.filter(first).select(pl.col(name).cast(kind) for name, kind in MEMBERS.items())
    return Reports(source, members, pl.concat(rejects), files.height - reports.height)


def _rejected(files: pl.DataFrame, reason: RejectReason, message: str) -> pl.DataFrame:
    return files.select(
        pl.lit(Stage.INGEST.value).alias("stage"),
        pl.col("name").str.slice(0, 120).alias("reject_key"),
        pl.lit(reason.value).alias("reason"),
        pl.lit(message).alias("message"),
    )


# --- the tree ----------------------------------------------------------------------------------------------------


def tree_reports(place: Path) -> tuple[Reports, SourceFile]:
    """List the report files of the unpacked tree, and describe it by names, sizes and times of change.

    Folders that may not be listed are rejects that name them.
    """
    unlisted: list[Reject] = []
    found = sorted((name, status) for name, status in _walk(place, unlisted) if status is not None)
    digest, size, latest = sha256(), 0, 0.0
    for name, status in found:
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        size += status.st_size
        latest = max(latest, status.st_mtime)
    files = pl.DataFrame({"name": [name for name, _ in found]}, schema={"name": pl.String})
    files = files.with_columns(
        pl.lit(-1).alias("offset"),
        *(pl.lit(0).alias(name) for name in ("packed", "size", "method", "crc")),
        _is_report().alias("is_report"),
    )
    reports = _sorted_out(place, files, ())
    source = SourceFile(f"{place.name}/p*/p*/s*.txt", size, datetime.fromtimestamp(latest, UTC), digest.hexdigest())
    return reports._replace(rejects=pl.concat([reports.rejects, rejects_frame(unlisted)])), source


def _walk(place: Path, unlisted: list[Reject]) -> Iterator[tuple[str, os.stat_result | None]]:
    """Yield (name, status) of each report, and of each patient's folder without one (its name, None).

    Only `pNN/pNNNNNNNN/` is entered: study folders hold images.
    """
    for group in _listing(place, "", unlisted):
        if not re.fullmatch(r"p\d\d", group.name) or not group.is_dir():
            continue
        for patient in _listing(place, group.name, unlisted):
            if not re.fullmatch(r"p\d{8}", patient.name) or not patient.is_dir():
                continue
            inside = f"{group.name}/{patient.name}"
            names = [(f"{inside}/{entry.name}", entry) for entry in _listing(place, inside, unlisted)]
            reports = [(name, _status(entry)) for name, entry in names if re.search(_REPORT, name)]
            yield from reports or [(inside, None)]


def _status(entry: "os.DirEntry[str]") -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return entry.stat(follow_symlinks=False)  # a dangling link: reading it will say so


def _listing(place: Path, inside: str, unlisted: list[Reject]) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(place / inside) as entries:
            return list(entries)
    except OSError as error:
        message = f"the folder cannot be listed ({error.strerror}); what it holds is left out"
        unlisted.append(Reject(f"{place.name}/{inside}".rstrip("/"), RejectReason.UNREADABLE, message))
        return []
