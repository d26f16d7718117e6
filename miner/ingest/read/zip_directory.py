"""The directory at the end of a zip file as a frame: a quarter of a million members without an object for each.

Follows PKWARE's APPNOTE 6.3.10, sections 4.3.12 to 4.3.16 and 4.5.3 (zip64).
"""

import mmap
import struct
from pathlib import Path

import polars as pl

from cxr.miner.kit.errors import InputError

DIRECTORY: dict[str, pl.DataType | type[pl.DataType]] = {
    "name": pl.String,
    "offset": pl.Int64,
    "packed": pl.Int64,
    "size": pl.Int64,
    "method": pl.Int32,
    "crc": pl.Int64,
    "flags": pl.Int32,
    "attributes": pl.Int64,
}
"""`offset` is that of the local header in the file, `attributes` the external ones."""

ENCRYPTED = 0x1
_UTF8 = 0x800
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_FULL = 0xFFFFFFFF
_LONGEST_COMMENT = 0xFFFF


def read_directory(path: Path) -> pl.DataFrame:
    """Return a row per member with the columns of DIRECTORY, in the order of the archive.

    Raises InputError for a file that is no zip file or is cut short.
    """
    try:
        with path.open("rb") as handle:
            if handle.seek(0, 2) < _END.size:
                raise _no_zip(path)
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as archive:
                return _read(archive)
    except (struct.error, ValueError, IndexError):
        raise _no_zip(path) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions") from None


def _no_zip(path: Path) -> InputError:
    return InputError(
        f"{path.name} is no whole zip file (it has no readable directory at its end); expected the archive as its "
        "owner ships it: download it again"
    )


def _read(archive: mmap.mmap) -> pl.DataFrame:
    start, shift, count = _locate(archive)
    rows: dict[str, list[object]] = {name: [] for name in DIRECTORY}
    columns = tuple(rows.values())
    position = start
    for _ in range(count):
        fields = _ENTRY.unpack_from(archive, position)
        if fields[0] != b"PK\1\2":
            raise ValueError("no directory entry")
        flags, method, crc, packed, size = fields[3], fields[4], fields[7], fields[8], fields[9]
        name_length, extra_length, comment_length, attributes, offset = *fields[10:13], fields[15], fields[16]
        position += _ENTRY.size
        name = archive[position : position + name_length].decode("utf-8" if flags & _UTF8 else "cp437", "replace")
        position += name_length
        if _FULL in (packed, size, offset):
            extra = archive[position : position + extra_length]
            size, packed, offset = _zip64(extra, size, packed, offset)
        position += extra_length + comment_length
        for column, value in zip(
            columns, (name, offset + shift, packed, size, method, crc, flags, attributes), strict=True
        ):
            column.append(value)
    return pl.DataFrame(rows, schema=DIRECTORY)


def _locate(archive: mmap.mmap) -> tuple[int, int, int]:
    """Return where the directory starts, what to add to its offsets, and how many entries it has."""
    end = archive.rfind(b"PK\5\6", max(0, len(archive) - _LONGEST_COMMENT - _END.size))
    if end < 0:
        raise ValueError("no end record")
    _, _, _, _, count, size, offset, _ = _END.unpack_from(archive, end)
    directory_end = end
    locator = end - _END64_LOCATOR.size
    if locator >= 0 and archive[locator : locator + 4] == b"PK\6\7":
        end64 = archive.rfind(b"PK\6\6", 0, locator)
        fields = _END64.unpack_from(archive, end64)
        count, size, offset = fields[7], fields[8], fields[9]
        directory_end = end64
    start = directory_end - size
    if start < 0 or size < count * _ENTRY.size:
        raise ValueError("the directory does not fit")
    # Something may stand before the archive, such as a stub: then the offsets are too small by its length.
    return start, start - offset, count


def _zip64(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Take the sizes and the offset that do not fit into 32 bits from the extra field."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        position += 4
        if kind == 1:
            numbers = iter(struct.unpack_from(f"<{length // 8}Q", extra, position))
            return tuple(next(numbers) if value == _FULL else value for value in (size, packed, offset))  # type: ignore[return-value]
        position += length
    return size, packed, offset
