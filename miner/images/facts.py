"""Facts of an image file from its header, without decoding pixels: PNG, JPEG and DICOM.

A file is truncated where its structure promises more bytes than there are: a PNG without its IEND chunk, a JPEG
without its end marker, a DICOM whose pixel data ends early. What lies between the header and the end is not looked at.
DICOM needs pydicom, an extra (`pip install "cxr[images]"`).
"""

import io
import os
import struct
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cxr.schemas.vocabulary import FileStatus

NOT_AN_IMAGE = "neither PNG, JPEG nor DICOM"
NO_PYDICOM = 'DICOM headers need pydicom: pip install "cxr[images]"'

MOST_ODD = 200
"""Qwen's processors refuse an image that is more than so many times as long as wide."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_DICOM_AT, _DICOM = 128, b"DICM"
# Start of frame, in all its codings: C4, C8 and CC are tables, not frames (ITU-T T.81, table B.1).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_TAIL = 4096
_DELIMITER = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"


class FileFacts(NamedTuple):
    """What a file's header says; sizes in pixels, None where unknown."""

    status: FileStatus
    width: int | None = None
    height: int | None = None
    why: str | None = None
    """What is wrong with a truncated or unreadable file."""
    view_position: str | None = None
    """As the DICOM header has it: AP, PA, ..."""
    age: float | None = None
    sex: str | None = None


class _Truncated(Exception):
    """The file ends before its structure does."""


class _Foreign(Exception):
    """The file is not what it should be."""


def read_facts(picture: Path | str | bytes) -> FileFacts:
    """Return the facts of an image file, or of its bytes; never raises for what is in it or for one that is absent."""
    try:
        # The built-in: called for hundreds of thousands of files.
        with io.BytesIO(picture) if isinstance(picture, bytes) else open(picture, "rb") as file:  # noqa: PTH123
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            head = file.read(_DICOM_AT + len(_DICOM))
            return _reader(head, size)(file, size)
    except (FileNotFoundError, NotADirectoryError):
        return FileFacts(FileStatus.ABSENT)
    except _Truncated as problem:
        return FileFacts(FileStatus.TRUNCATED, why=str(problem))
    except _Foreign as problem:
        return FileFacts(FileStatus.UNREADABLE, why=str(problem))
    except OSError as error:
        return FileFacts(FileStatus.UNREADABLE, why=error.strerror or type(error).__name__)


def _reader(head: bytes, size: int) -> Callable[[BinaryIO, int], FileFacts]:
    if not size:
        raise _Truncated("the file is empty")
    if head.startswith(_PNG):
        return _png
    if head.startswith(_JPEG):
        return _jpeg
    if is_dicom(head):
        return _dicom
    if _PNG.startswith(head) or _JPEG.startswith(head):
        raise _Truncated("the file ends within its first bytes")
    raise _Foreign(NOT_AN_IMAGE)


def _png(file: BinaryIO, size: int) -> FileFacts:
    """Walk the chunks (length, type, data, checksum) up to IEND (PNG specification, section 5)."""
    file.seek(len(_PNG))
    width = height = None
    while len(chunk := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", chunk)
        if kind == b"IHDR":
            width, height = struct.unpack(">II", _exactly(file, 8))
            file.seek(-8, os.SEEK_CUR)
        if kind == b"IEND":
            if width is None:
                raise _Foreign("a PNG without a header chunk")
            return FileFacts(FileStatus.PRESENT, width, height)
        if not kind.isalpha():
            raise _Foreign("a PNG with a damaged chunk")
        if file.seek(length + 4, os.SEEK_CUR) > size:
            break
    raise _Truncated("the PNG ends before its IEND chunk")


def _jpeg(file: BinaryIO, size: int) -> FileFacts:
    """Walk the segments up to the frame header, then look for the end marker (ITU-T T.81, annex B)."""
    file.seek(2)
    while True:
        marker = _marker(file)
        if marker in _ALONE:
            continue
        if marker in {0xD9, 0xDA}:
            raise _Foreign("a JPEG without a frame header before its data")
        (length,) = struct.unpack(">H", _exactly(file, 2))
        if length < 2:
            raise _Foreign("a JPEG with a damaged segment")
        if marker in _FRAMES:
            height, width = struct.unpack(">xHH", _exactly(file, 5))
            break
        file.seek(length - 2, os.SEEK_CUR)
    file.seek(max(0, size - _TAIL))
    # Some writers pad the file or append a note, so the end marker need not be the last two bytes.
    if b"\xff\xd9" not in file.read(_TAIL):
        raise _Truncated("the JPEG ends before its end marker")
    return FileFacts(FileStatus.PRESENT, width, height)


def _marker(file: BinaryIO) -> int:
    if _exactly(file, 1) != b"\xff":
        raise _Foreign("a JPEG with a damaged segment")
    while (code := _exactly(file, 1)[0]) == 0xFF:
        pass  # markers may be padded
    return code


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise _Truncated("the file ends within its header")
    return data


# --- DICOM -----------------------------------------------------------------------------------------------------


def is_dicom(head: bytes) -> bool:
    """Return whether a file that begins so is DICOM: a preamble of 128 bytes, then DICM."""
    return head[_DICOM_AT : _DICOM_AT + len(_DICOM)] == _DICOM


def has_pydicom() -> bool:
    """Return whether DICOM headers can be read."""
    return find_spec("pydicom") is not None


def _dicom(file: BinaryIO, size: int) -> FileFacts:
    if not has_pydicom():
        return FileFacts(FileStatus.PRESENT, why=NO_PYDICOM)
    import pydicom  # noqa: PLC0415 - an extra
    from pydicom.errors import InvalidDicomError  # noqa: PLC0415

    # It warns about values that nobody here asks for; what is wrong with a file is said in Facts.
    warnings.filterwarnings("ignore", category=UserWarning, module="pydicom")
    file.seek(0)
    try:
        header = pydicom.dcmread(file, stop_before_pixels=True)
        explicit = not header.file_meta.TransferSyntaxUID.is_implicit_VR
        width, height = header.get("Columns"), header.get("Rows")
        facts = FileFacts(
            FileStatus.PRESENT,
            int(width) if width else None,
            int(height) if height else None,
            view_position=str(header.get("ViewPosition") or "").strip() or None,
            age=_years(str(header.get("PatientAge") or "")),
            sex=_sex(str(header.get("PatientSex") or "")),
        )
    except EOFError:
        raise _Truncated("the DICOM file ends within its header") from None
    except (InvalidDicomError, AttributeError, ValueError, KeyError, TypeError, NotImplementedError, struct.error):
        raise _Foreign("a DICOM header that pydicom cannot read") from None
    _demand_pixels(file, size, explicit=explicit)
    return facts


def _demand_pixels(file: BinaryIO, size: int, *, explicit: bool) -> None:
    """Check that the pixel data, at which the header reader stopped, is there to its end."""
    # Tag, VR, two reserved bytes, length; in the implicit coding tag and length (DICOM PS3.5, section 7.1).
    element = file.read(12 if explicit else 8)
    if len(element) < (12 if explicit else 8):
        raise _Truncated("the DICOM file ends before its pixel data")
    (length,) = struct.unpack("<I", element[-4:])
    if length == 0xFFFFFFFF:  # compressed frames of their own lengths, ended by a delimiter (section A.4)
        file.seek(max(0, size - _TAIL))
        if _DELIMITER not in file.read(_TAIL):
            raise _Truncated("the DICOM file ends within its pixel data")
    elif file.tell() + length > size:
        raise _Truncated("the DICOM file ends within its pixel data")


def _years(age: str) -> float | None:
    """Return the years of DICOM's 045Y, 018M, 003W or of a bare number; None above 130, as RSNA has some."""
    per_year = {"Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}
    digits, unit = age.strip().rstrip("YMWD"), age.strip()[-1:]
    if not digits.isdigit():
        return None
    years = int(digits) / per_year.get(unit, 1.0)
    return years if years <= 130 else None


def _sex(code: str) -> str | None:
    return code.strip().upper() if code.strip().upper() in {"M", "F"} else None
