"""The log of a review book: lines that are only ever added, each hashed with the one before, so that changes show."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from cxr.miner.kit.errors import StoreError
from cxr.miner.review.state import Change


class Event(NamedTuple):
    """One line of the log, as it lies in the book; `old` and `new` are JSON."""

    no: int
    event: str
    at: str
    reader: str
    position: int
    item_id: str
    fingerprint: str
    round: str
    field: str
    old: str | None
    new: str | None
    seconds: float
    previous: str
    hash: str


class About(NamedTuple):
    """Of which item, in which place of whose queue, events speak."""

    reader: str = ""
    position: int = 0
    item_id: str = ""
    fingerprint: str = ""
    round: str = ""


_COLUMNS = ", ".join(Event._fields)
_MARKS = ", ".join("?" for _ in Event._fields)


def canonical(value: Any) -> str:
    """Return JSON that is the same for the same value, in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def loaded(text: Any) -> Any:
    """Return what JSON in a book says; raises StoreError where a damaged file holds something else."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        raise StoreError("the review book is damaged: it holds what was never written; put back a copy") from None


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text of ours."""
    return sha256(text.encode("ascii")).hexdigest()


def beginning(study: Sequence[str], items: Mapping[str, str]) -> str:
    """Return what the first line is hashed with: the study as it was drawn, and the digest of every item's content."""
    return digest_of(canonical([list(study), dict(items)]))


def append(connection: sqlite3.Connection, about: About, change: Change, seconds: float = 0.0) -> None:
    """Add a line to the log; the clock is written down as it is, but the number gives the order."""
    no, previous = head(connection)
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    old, new = canonical(change.old), canonical(change.new)
    line = (no + 1, change.event, at, *about, change.field, old, new, float(seconds), previous)
    connection.execute(f"insert into events ({_COLUMNS}) values ({_MARKS})", (*line, digest_of(canonical(list(line)))))


def head(connection: sqlite3.Connection) -> tuple[int, str]:
    """Return the number and the hash of the newest line; before the first, the hash of what was drawn."""
    no, newest = connection.execute(
        "select coalesce(max(no), 0), coalesce((select hash from events order by no desc limit 1), "
        "(select beginning from study)) from events"
    ).fetchone()
    return int(no), str(newest)
