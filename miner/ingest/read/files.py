"""Reading what users point at: CSV and archives that may be damaged, mistaken or hostile."""

import csv
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

import polars as pl
from polars.exceptions import PolarsError

from cxr.miner.ingest.corpus import Reject, SourceFile
from cxr.miner.ingest.read.blank import cell
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.visible import columns_found
from cxr.schemas.vocabulary import RejectReason

MAX_MEMBER_BYTES = 16 * 1024 * 1024
"""A report is a few kilobytes; the largest OpenI XML has under 100."""
MAX_ARCHIVE_BYTES = 8 * 1024**3
"""All of MIMIC-CXR's reports unpack to about 0.3 GB."""
MAX_RATIO = 250
"""Unpacked to packed size. Text packs to a fifth, OpenI's XML to a fiftieth, a bomb to a thousandth."""
_RATIO_MATTERS_FROM = 64 * 1024 * 1024

ROW = "row_number"
"""The column that `read_csv` adds: the number of the row in the file, the header being 1."""

_BOM = b"\xef\xbb\xbf"


class Member(NamedTuple):
    """One file of an archive or folder, in memory."""

    name: str
    data: bytes


def read_bytes(path: Path) -> bytes:
    """Return a file's content; InputError in one sentence where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{path} cannot be read ({reason}); check the path and its permissions") from None


def source_file(path: Path, root: Path, data: bytes | None = None) -> SourceFile:
    """Describe a file that was read, without holding it; `data` saves reading it again.

    Raises InputError where it cannot be read.
    """
    try:
        stat = path.stat()
        if data is not None:
            digest = sha256(data)
        else:
            with path.open("rb") as handle:
                digest = file_digest(handle, "sha256")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    modified = datetime.fromtimestamp(stat.st_mtime, UTC)
    return SourceFile(_relative(path, root), stat.st_size, modified, digest.hexdigest())


def source_folder(members: Sequence[tuple[Path, bytes]], root: Path) -> SourceFile:
    """Describe a folder of reports as one source: the hash covers names and contents in order of name."""
    total = sha256()
    for path, data in sorted(members):
        total.update(f"{_relative(path, root)}\0{sha256(data).hexdigest()}\n".encode())
    latest = max(path.stat().st_mtime for path, _ in members)
    folder = _relative(members[0][0].parent, root)
    modified = datetime.fromtimestamp(latest, UTC)
    return SourceFile(f"{folder}/*", sum(len(data) for _, data in members), modified, total.hexdigest())


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


Layout = TypeVar("Layout", bound=StrEnum)


def find_layout(
    path: Path, wanted: Layout, layouts: Callable[[Path], dict[Layout, Path]], place: str, nothing: str
) -> tuple[Layout, Path, list[Layout]]:
    """Return the form of a corpus to read, where it lies, and the other forms that lie there too.

    `layouts` says which forms a folder or file holds, the best first; `wanted` is one of them, or `auto`. Raises
    InputError where the path does not exist (`place` says in words what was expected) or holds `nothing` that is
    wanted.
    """
    try:
        if not path.exists():
            raise InputError(f"{path} does not exist; expected {place}")
        there = layouts(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    fitting = [kind for kind in there if wanted in ("auto", kind)]
    if not fitting:
        raise InputError(f"{path} holds no {nothing}")
    return fitting[0], there[fitting[0]], [kind for kind in there if kind is not fitting[0]]


# --- archives --------------------------------------------------------------------------------------------------


def read_tar(path: Path, suffix: str) -> Iterator[Member | Reject]:
    """Yield the files of a (compressed) tar archive whose names end in `suffix`, and rejects for unsafe ones.

    Nothing is unpacked to disk. Raises InputError for a file that is no tar archive, one that ends early, and
    one that unpacks to far more than it could honestly hold.
    """
    count = 0
    limit = _unpacked_limit(path)
    unpacked = 0
    try:
        with tarfile.open(path) as archive:
            for info in archive:
                if info.isdir():
                    continue
                unpacked += info.size
                if unpacked > limit:
                    raise _bomb(path.name, info, limit)
                if (refused := _refuse(info)) is not None:
                    yield refused
                elif info.name.endswith(suffix):
                    handle = archive.extractfile(info)
                    count += 1
                    yield Member(info.name, handle.read() if handle else b"")
            while archive.fileobj is not None and archive.fileobj.read(_RATIO_MATTERS_FROM):
                pass  # to the very end, where a cut gzip file betrays itself
    except (EOFError, zlib.error, tarfile.TarError, OSError) as error:
        raise _damaged(path, count, error) from None


def _bomb(name: str, info: tarfile.TarInfo, limit: int) -> InputError:
    if info.size > MAX_MEMBER_BYTES:
        found = f"{name} has a member of {info.size:,} bytes ({info.name}); a report has at most {MAX_MEMBER_BYTES:,}"
    else:
        found = f"{name} unpacks to more than {limit:,} bytes, which its size does not explain"
    return InputError(f"{found}; expected an archive of reports: check where it comes from")


def _unpacked_limit(path: Path) -> int:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path") from None
    return min(MAX_ARCHIVE_BYTES, max(_RATIO_MATTERS_FROM, size * MAX_RATIO))


def _refuse(info: tarfile.TarInfo) -> Reject | None:
    if not is_safe_name(info.name):
        message = "the archive member's name is absolute or leads out of the archive; it was not read"
        return Reject(info.name, RejectReason.UNSAFE_PATH, message)
    if not info.isreg():
        message = "the archive member is a link or a device; only plain files are read"
        return Reject(info.name, RejectReason.UNSAFE_PATH, message)
    if info.size > MAX_MEMBER_BYTES:
        message = f"the archive member has {info.size:,} bytes; a report has at most {MAX_MEMBER_BYTES:,}"
        return Reject(info.name, RejectReason.BAD_VALUE, message)
    return None


def is_safe_name(name: str) -> bool:
    """Return whether an archive member's name stays inside the archive on every system."""
    path = PurePosixPath(name.replace("\\", "/"))
    drive = len(name) > 1 and name[1] == ":"
    return not (path.is_absolute() or ".." in path.parts or drive or "\0" in name)


def _damaged(path: Path, count: int, error: Exception) -> InputError:
    if isinstance(error, PermissionError):
        return InputError(f"{path} cannot be read (permission denied); check its permissions")
    if count == 0 and isinstance(error, tarfile.ReadError) and "end of" not in str(error):
        return InputError(f"{path.name} is no tar archive; NLMCXR_reports.tgz as NLM ships it was expected")
    return InputError(
        f"{path.name} is damaged or ends early (after {count:,} reports); a whole archive was expected: "
        "download it again"
    )


# --- CSV -------------------------------------------------------------------------------------------------------


class Table(NamedTuple):
    """A CSV file as text columns, null where a cell holds nothing, with each row's number in ROW."""

    frame: pl.DataFrame
    rejects: list[Reject]


def read_csv(data: bytes, name: str, required: Sequence[str], key: str) -> Table:
    """Read a CSV as text; rows that are not UTF-8 or have a wrong number of cells become rejects.

    Takes a byte order mark and Windows line ends. Raises InputError where a required column is missing.
    """
    data = data.removeprefix(_BOM)
    if not data.strip():
        raise InputError(f"{name} is empty; expected a CSV with the columns {', '.join(required)}")
    header = _header(data)
    if twins := [column for column in required if header.count(column) > 1]:
        raise InputError(f"{name} names the column {twins[0]} twice; expected it once: rename or remove the other")
    try:
        data.decode("utf-8")
        frame = pl.read_csv(data, infer_schema=False, raise_if_empty=False)
        frame.columns = _distinct(header)
        rejects: list[Reject] = []
    except (UnicodeDecodeError, PolarsError):
        frame, rejects = _read_row_by_row(data, name, key)
    missing = [column for column in required if column not in frame.columns]
    if missing:
        raise InputError(
            f"{name} has no column {', '.join(missing)} ({columns_found(header)}); expected {', '.join(required)}"
        )
    if ROW not in frame.columns:
        frame = frame.with_row_index(ROW, offset=2)
    return Table(frame.select(pl.col(ROW).cast(pl.Int64), *map(cell, required)), rejects)


def _header(data: bytes) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader(io.StringIO(data.decode("utf-8", "replace"), newline="")), [])]
    except csv.Error:
        return []  # reading row by row says why


def _distinct(header: Sequence[str]) -> list[str]:
    """Return names of columns in which a name that comes again has its place behind it: nobody asks for that one."""
    return [name if name not in header[:place] else f"{name}\n{place}" for place, name in enumerate(header)]


def _read_row_by_row(data: bytes, name: str, key: str) -> tuple[pl.DataFrame, list[Reject]]:
    """Read a CSV that has damaged rows: slower, but it knows which rows."""
    text = data.decode("utf-8", "surrogateescape")
    reader = csv.reader(io.StringIO(text, newline=""))
    rejects: list[Reject] = []
    kept: list[tuple[int, *tuple[str, ...]]] = []
    try:
        header = [column.strip() for column in next(reader)]
        at = header.index(key) if key in header else 0
        for number, row in enumerate(reader, start=2):
            label = _row_label(row, at, name, number)
            if len(row) != len(header):
                message = f"row {number} of {name} has {len(row)} cells and its header {len(header)}"
                rejects.append(Reject(label, RejectReason.WRONG_FIELDS, message))
            elif not _is_text("".join(row)):
                message = f"row {number} of {name} holds bytes that are not UTF-8; save the file as UTF-8"
                rejects.append(Reject(label, RejectReason.NOT_UTF8, message))
            else:
                kept.append((number, *row))
    except (csv.Error, StopIteration) as error:
        raise InputError(
            f"{name} cannot be read as CSV ({error}); expected comma-separated UTF-8 with a header line"
        ) from None
    names = [ROW, *_distinct([column.encode("utf-8", "replace").decode() for column in header])]
    return pl.DataFrame(kept, schema=dict.fromkeys(names, pl.String) | {ROW: pl.Int64}, orient="row"), rejects


def _is_text(value: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in value)


def _row_label(row: Sequence[str], at: int, name: str, number: int) -> str:
    value = row[at].strip() if at < len(row) else ""
    return value if value and len(value) <= 40 and _is_text(value) else f"{name}:{number}"
