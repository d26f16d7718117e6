"""The version of the reader: what every label and verdict rests on."""

from functools import cache

from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.pack import pack

VERSION_LENGTH = 12

# Code that decides what is read: the room, the pack's loader, and the forms that readings take.
_CODE = ("cxr.miner.language", "cxr.miner.pack", "cxr.schemas")


_SECTIONS = tuple(f"cxr.miner.language.{name}" for name in ("sections", "section_headers", "section_marks"))


@cache
def sections_version() -> str:
    """Return twelve hexadecimal digits that stand for how reports are cut into sections."""
    headers = pack().section_headers.model_dump(mode="json")
    return digest("sections", code_digest(*_SECTIONS), headers, length=VERSION_LENGTH)


@cache
def reader_version() -> str:
    """Return twelve hexadecimal digits that stand for the code of the reader and every word of its pack."""
    return digest("reader", code_digest(*_CODE), pack().digest, length=VERSION_LENGTH)
