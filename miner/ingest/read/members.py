"""Report files to sections, a chunk at a time; runs in worker processes, so it imports little."""

import errno
import mmap
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from cxr.miner.kit.memory import no_collecting
from cxr.miner.language.blanks import is_blank
from cxr.miner.language.sections import ASSERTIVE, SectionName, trimmed
from cxr.schemas.vocabulary import RejectReason

MAX_REPORT_BYTES = 16 * 1024 * 1024
"""A report is a few kilobytes."""

_BOM = "\ufeff"
_LOCAL_HEADER = 30
_READ = ASSERTIVE | {SectionName.ADDENDUM, SectionName.WET_READ}

COLUMNS: tuple[tuple[str, tuple[SectionName, ...]], ...] = (
    ("findings", (SectionName.FINDINGS, SectionName.FINDINGS_AND_IMPRESSION)),
    ("impression", (SectionName.IMPRESSION, SectionName.FINDINGS_AND_IMPRESSION)),
    ("indication", (SectionName.INDICATION, SectionName.HISTORY)),
    ("comparison", (SectionName.COMPARISON,)),
)
"""The columns of the store that hold one section's words, and the sections they are taken from, best first."""

Sections = Sequence[tuple[str, int, int]]
"""Name, start and end of each section of a text."""

Raw = bytes | tuple[RejectReason, str]
"""A file's content, or why it could not be had."""


class Member(NamedTuple):
    """A report file: where it lies in the zip, or (with offset -1) in the tree."""

    study_id: str
    name: str
    offset: int = -1
    """Of the local header."""
    packed: int = 0
    size: int = 0
    method: int = 0
    crc: int = 0


class Failed(NamedTuple):
    """A report file that could not be read. The message holds no report text."""

    key: str
    reason: RejectReason
    message: str


Answer = tuple[pa.Table, list[Failed]]


def read_chunk(source: str, members: Iterable[tuple[Any, ...]], *, label: bool = False) -> Answer:
    """Read the members of a zip file or (where `source` is a folder) of a tree, and find their sections.

    `members` have the fields of Member. Returns the columns of the store's `reports`, and what failed. With `label`,
    `labels` holds our labeler's values in the order of the pack's labels.
    """
    kept: list[tuple[str, str]] = []
    found: list[Sections] = []
    failed: list[Failed] = []
    with no_collecting():
        for member, raw in _contents(source, map(Member._make, members)):
            text = raw if isinstance(raw, tuple) else _text(raw)
            sections = [] if isinstance(text, tuple) else trimmed(text)
            if isinstance(text, str) and is_no_report(text, sections):
                text = RejectReason.NO_REPORT, "the report file holds no text; its study is kept without a report"
            if isinstance(text, str):
                kept.append((member.study_id, text))
                found.append(sections)
            else:
                failed.append(Failed(member.name, *text))
        return report_table(kept, found, label=label), failed


_UNREAD = pa.struct(
    {"start": pa.int32(), "end": pa.int32(), "phrase": pa.string(), "asserted": pa.bool_(), "region": pa.string()}
)
_COVERAGE = pa.struct(
    {
        "share": pa.float64(),
        "understood": pa.bool_(),
        "unread": pa.list_(_UNREAD),
        "doubted": pa.list_(pa.string()),
    }
)


def report_table(
    reports: Sequence[tuple[str, str]], found: Sequence[Sections] | None = None, *, label: bool = False
) -> pa.Table:
    """Return (study_id, text) pairs with their sections as a table with the columns of the store's `reports`.

    `found` are the sections of each text, by default those that our parser finds.
    """
    found = [trimmed(text) for _, text in reports] if found is None else found
    offsets, position = [0], 0
    for sections in found:
        position += len(sections)
        offsets.append(position)
    flat = [section for sections in found for section in sections]
    struct_array = pa.StructArray.from_arrays(
        [
            pa.array([str(name) for name, _, _ in flat], pa.string()),
            pa.array([start for _, start, _ in flat], pa.int32()),
            pa.array([end for _, _, end in flat], pa.int32()),
        ],
        names=["name", "start", "end"],
    )
    texts = [text for _, text in reports]
    columns: dict[str, pa.Array] = {
        "study_id": pa.array([study_id for study_id, _ in reports], pa.string()),
        "text": pa.array(texts, pa.string()),
        "sections": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), struct_array),
    }
    by_name = [{name: (start, end) for name, start, end in sections} for sections in found]
    for column, wanted in COLUMNS:
        bodies = [_body(text, spans, wanted) for text, spans in zip(texts, by_name, strict=True)]
        columns[column] = pa.array(bodies, pa.string())
    columns["text_hash"] = pa.array([sha256(text.encode()).hexdigest()[:32] for text in texts], pa.string())
    if label:
        # The lexicon is loaded only when asked for.
        from cxr.miner.language.coverage import coverage  # noqa: PLC0415
        from cxr.miner.language.labeler import label as label_report  # noqa: PLC0415

        read = [(list(label_report(text).values()), coverage(text).row()) for text in texts]
        columns["labels"] = pa.array([values for values, _ in read], pa.list_(pa.int8()))
        columns["coverage"] = pa.array([row for _, row in read], _COVERAGE)
    return pa.table(columns)


def _body(text: str, spans: dict[str, tuple[int, int]], wanted: tuple[SectionName, ...]) -> str | None:
    """Return the section's words, if any; of several with one name `spans` holds the last, which is the final read."""
    for name in wanted:
        if name in spans:
            start, end = spans[name]
            return None if name in _READ and is_blank(text[start:end]) else text[start:end]
    return None


def is_no_report(text: str, sections: Sections) -> bool:
    """Return whether a report says nothing ("nan"): the text, or every section of it that reads the image."""
    bodies = [text[start:end] for name, start, end in sections if name in _READ] or [text]
    return all(map(is_blank, bodies))


def _text(raw: bytes) -> str | tuple[RejectReason, str]:
    try:
        text = raw.decode("utf-8").removeprefix(_BOM)
    except UnicodeDecodeError as error:
        return RejectReason.NOT_UTF8, f"the report is not UTF-8 (byte {error.start}); its study is kept without it"
    return text


# --- contents ------------------------------------------------------------------------------------------------


def _contents(source: str, members: Iterable[Member]) -> Iterator[tuple[Member, Raw]]:
    if Path(source).is_dir():
        for member in members:
            yield member, _read_file(f"{source}/{member.name}")
        return
    with Path(source).open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as archive:
        for member in members:
            yield member, _unpack(archive, member)


def _read_file(path: str) -> Raw:
    try:
        # O_NONBLOCK: a named pipe in the tree must not stop everything.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                return RejectReason.UNREADABLE, "not a plain file; its study is kept without a report"
            if status.st_size > MAX_REPORT_BYTES:
                return _too_large(status.st_size)
            return os.read(handle, MAX_REPORT_BYTES)
        finally:
            os.close(handle)
    except OSError as error:
        why = "permission denied" if error.errno == errno.EACCES else (error.strerror or type(error).__name__)
        return RejectReason.UNREADABLE, f"the file cannot be read ({why}); its study is kept without a report"


def _too_large(size: int) -> tuple[RejectReason, str]:
    return RejectReason.BAD_VALUE, f"the file has {size:,} bytes; a report has at most {MAX_REPORT_BYTES:,}"


def _unpack(archive: mmap.mmap, member: Member) -> Raw:
    """Return a member's bytes; its sizes and its checksum have to be those of the zip's directory."""
    header = archive[member.offset : member.offset + _LOCAL_HEADER]
    if len(header) < _LOCAL_HEADER or header[:4] != b"PK\3\4":
        return RejectReason.UNREADABLE, "the zip's directory points to no file here; its study is kept without a report"
    name_length, extra_length = struct.unpack_from("<HH", header, 26)
    start = member.offset + _LOCAL_HEADER + name_length + extra_length
    packed = archive[start : start + member.packed]
    try:
        data = packed if member.method == zipfile.ZIP_STORED else _inflate(packed, member.size)
    except zlib.error:
        return RejectReason.UNREADABLE, "the file is damaged (deflate); its study is kept without a report"
    if data is None or len(data) != member.size:
        return RejectReason.BAD_VALUE, "the file unpacks to another size than the zip says; it was not read"
    if zlib.crc32(data) != member.crc:
        return RejectReason.UNREADABLE, "the file is damaged (its checksum differs); its study is kept without a report"
    return data


def _inflate(packed: bytes, size: int) -> bytes | None:
    """Unpack at most a byte more than announced; None where there is more, so that a bomb stays small."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = inflater.decompress(packed, size + 1)
    return data if len(data) <= size else None
