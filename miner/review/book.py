"""The review book: a SQLite file beside the store, which holds a study, its queues and every change of its readers.

It is apart from the store because DuckDB has one writer: readers save while mining runs. A save is one transaction,
on the disk when it is answered, and idempotent by the ids of its changes; whoever is killed leaves the book whole.
"""

import contextlib
import math
import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from cxr.miner.kit.errors import StoreError
from cxr.miner.kit.faults import of_a_disk
from cxr.miner.kit.sql import read_sql
from cxr.miner.review.committer import Committer
from cxr.miner.review.events import About, append, head, loaded
from cxr.miner.review.refusals import DiskRefused, UnknownPlace
from cxr.miner.review.saving import save_in, waiting_in
from cxr.miner.review.showing import place_of, shown_in
from cxr.miner.review.state import Change, State

Result = TypeVar("Result")

_APPLICATION = 0x63787272  # "cxrr": so that a book is told from any other SQLite file
_VERSION = 1
_BUSY_SECONDS = 30.0
_BROKEN = ("not a database", "malformed", "Could not decode", "no such table", "no such column", "unsupported file")
_FULL = ("disk is full", "disk I/O error", "unable to open database file", "readonly")


class Place(NamedTuple):
    """Where in a reader's queue which item stands."""

    position: int
    item_id: str
    round: str
    is_done: bool


class Study(NamedTuple):
    """What was drawn, from which store, how, and when; the settings are those that the draw was told."""

    review_study: str
    store: str
    what: str
    settings: dict[str, Any]
    drawn_at: str
    closed_at: str | None


class Progress(NamedTuple):
    """How far a reader is; `next` is the first place after this one that is not done, else the first at all."""

    done: int
    of: int
    next: int | None


class Drawn(NamedTuple):
    """An item of the study as it was drawn."""

    item_id: str
    chain_id: str | None
    study_id: str
    patient_id: str | None
    corpus: str
    licence: str
    task: str | None
    fingerprint: str
    content: dict[str, Any]
    images: list[str]
    training: dict[str, Any] | None
    is_stale: bool = False


_DRAWN = ", ".join(Drawn._fields)


class ReviewBook:
    """An open book. Any thread may call it: reads share a connection, and saves wait for one another's commit."""

    def __init__(self, path: Path) -> None:
        """Open a book that is there; raises StoreError where there is none, or something else."""
        if not path.is_file():
            raise StoreError(f"there is no review book at {path}; `cxr review --sample N --readers NAMES` draws one")
        self.path = path
        self.taken: Any = None
        """What was last taken into the store, and of which state of both."""
        self._lock = threading.Lock()
        with self.told():
            self._connection = connect(path)
        try:
            with self.told():
                demand_ours(self._connection, path)
        except BaseException:
            self._connection.close()
            raise
        self._committer = Committer(lambda: connect(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is being saved, and close the file."""
        self._committer.close()
        self._connection.close()

    # --- what it holds ------------------------------------------------------------------------------------------------

    def study(self) -> Study:
        """Return the study that the book is about."""
        (row,) = self.rows("select review_study, store, what, settings, drawn_at, closed_at from study")
        review_study, store, what, settings, drawn_at, closed_at = row
        return Study(review_study, store, what, loaded(settings), drawn_at, closed_at)

    def readers(self) -> dict[str, str]:
        """Return the readers and the token of each, adjudicators last."""
        return dict(self.rows("select reader, token from readers order by is_adjudicator, rowid"))

    def reader_of(self, token: str) -> str | None:
        """Return whose token it is, None for nobody's."""
        found = self.rows("select reader from readers where token = ?", token)
        return str(found[0][0]) if found else None

    def queue(self, reader: str) -> list[Place]:
        """Return a reader's places in order."""
        rows = self.rows("select position, item_id, round, is_done from places where reader = ? order by 1", reader)
        return [Place(position, item_id, round_, bool(is_done)) for position, item_id, round_, is_done in rows]

    def progress(self, reader: str, after: int = 0) -> Progress:
        """Return how far a reader is, and where to go on after a place."""
        ((done, of, later, first),) = self.rows(
            "select coalesce(sum(is_done), 0), count(*), min(position) filter (where not is_done and position > ?), "
            "min(position) filter (where not is_done) from places where reader = ?",
            after,
            reader,
        )
        return Progress(done, of, later or first)

    def item(self, item_id: str) -> Drawn:
        """Return an item; raises UnknownPlace where there is none of that id."""
        rows = self.rows(f"select {_DRAWN} from items where item_id = ?", item_id)
        if not rows:
            raise UnknownPlace("there is no such item in this study")
        return drawn_of(rows[0])

    def items(self) -> Iterator[Drawn]:
        """Return all items, by id."""
        return map(drawn_of, self.rows(f"select {_DRAWN} from items order by item_id"))

    def images(self, reader: str, position: int) -> list[str]:
        """Return where the images of a reader's place lie, in the order shown; raises UnknownPlace."""
        with self._lock, self.told():
            item_id, _ = place_of(self._connection, reader, position)
            (images,) = self._connection.execute("select images from items where item_id = ?", (item_id,)).fetchone()
        return list(loaded(images))

    def licences(self) -> set[str]:
        """Return the licences of what is shown: `public`, or `credentialed`."""
        return {licence for (licence,) in self.rows("select distinct licence from items")}

    def shown(self, reader: str, position: int) -> dict[str, Any]:
        """Return what the page shows in a place; raises UnknownPlace where the reader has none of that number.

        Neither engine nor model nor judge is in it, nor which places are there twice.
        """
        with self._lock, self.told():
            return shown_in(self._connection, reader, position)

    # --- what is written ----------------------------------------------------------------------------------------------

    def save(self, reader: str, position: int, changes: Sequence[Change], seconds: float = 0.0) -> State:
        """Write a reader's changes, all or none of them, and return the state that they come to.

        A change whose id is in the book already is not written again. `seconds` is how long the reader looked since
        the last save; a time that is none counts as 0. Raises Conflict where a change begins from another value than
        the book has, StaleItem, StudyClosed, UnknownPlace, InputError for a value that a field cannot have, and
        DiskRefused where the disk does not take it.
        """
        looked = seconds if math.isfinite(seconds) and seconds > 0 else 0.0
        return self.write(lambda connection: save_in(connection, reader, position, changes, looked))

    def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Return what work on the book's tables returns, once it is on the disk."""
        with self.told():
            return self._committer.do(work)

    def head(self) -> tuple[int, str]:
        """Return how many lines the log has, and the hash of the newest, in which all before it are."""
        with self._lock, self.told():
            return head(self._connection)

    def waiting(self) -> int:
        """Return how many items wait for a third reader, and there is none."""
        with self._lock, self.told():
            return waiting_in(self._connection)

    def note(self, what: str, words: str) -> None:
        """Write into the log what the study was allowed or told, such as why others than this machine may read."""
        noted = Change(uuid.uuid4().hex, f"note.{what}", None, words)
        self.write(lambda connection: append(connection, About(), noted))

    def notes(self) -> list[tuple[str, str]]:
        """Return what was noted and its words, in order."""
        rows = self.rows("select field, new from events where reader = '' and field like 'note.%' order by no")
        return [(field.removeprefix("note."), loaded(words)) for field, words in rows]

    def finish(self) -> None:
        """Close the study: from now on it takes no changes. One that is closed stays closed when it was."""
        self.write(_finish)

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Return the rows of a query."""
        with self._lock, self.told():
            return self._connection.execute(sql, values).fetchall()

    def told(self) -> contextlib.AbstractContextManager[None]:
        """Turn what SQLite says of the file or its disk into a sentence."""
        return told(self.path)


def _finish(connection: sqlite3.Connection) -> None:
    (closed_at,) = connection.execute("select closed_at from study").fetchone()
    if closed_at is None:
        append(connection, About(), Change(uuid.uuid4().hex, "closed", False, True))  # noqa: FBT003 - JSON's own
        connection.execute("update study set closed_at = (select at from events order by no desc limit 1)")


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection whose commits are on the disk when they return."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("pragma synchronous = full")
    except BaseException:
        connection.close()
        raise
    return connection


def make_tables(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Make the tables of a new book and fill them, in one transaction; only its owner can read the file.

    A run that was killed meanwhile leaves a file without tables, which the next one takes.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with told(path), contextlib.closing(connect(path)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("begin immediate")
        for statements in read_sql("cxr.miner.review", "schema").values():
            for statement in _statements(statements):
                connection.execute(statement)
        fill(connection)
        connection.execute(f"pragma application_id = {_APPLICATION}")
        connection.execute(f"pragma user_version = {_VERSION}")
        connection.execute("commit")


def is_made(path: Path) -> bool:
    """Return whether there is a book at a path, or what a run that was killed left of one; raises StoreError else."""
    if not path.exists():
        return False
    with told(path), contextlib.closing(connect(path)) as connection:
        if not connection.execute("select count(*) from sqlite_master").fetchone()[0]:
            return False
        demand_ours(connection, path)
    return True


def demand_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError where a SQLite file is no review book, or one of a newer cxr."""
    if connection.execute("pragma application_id").fetchone()[0] != _APPLICATION:
        raise StoreError(f"{path} is a SQLite file and no review book; give another --book, or move it away")
    if connection.execute("pragma user_version").fetchone()[0] > _VERSION:
        raise StoreError(f"{path} was made by a newer cxr; install that version")


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite says of a file or its disk into a sentence; it may quote no value of ours."""
    try:
        yield
    except sqlite3.Error as error:
        words = str(error)
        if "locked" in words:
            raise StoreError(f"{path} is being written by another process; try again in a moment") from None
        if any(word in words for word in _BROKEN):
            raise StoreError(f"{path} is no SQLite file, or is damaged; put back a copy, or move it away") from None
        if any(word in words for word in _FULL):
            said = of_a_disk(words) or "its disk is full, or cannot be written; free some space"
            raise DiskRefused(f"{path}: {said}") from None
        raise


def _statements(script: str) -> Iterator[str]:
    """Return the statements of a script; `executescript` would commit before the first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def drawn_of(row: Sequence[Any]) -> Drawn:
    """Return an item as its row says it."""
    given = dict(zip(Drawn._fields, row, strict=True))
    for name in ("content", "images", "training"):
        given[name] = None if given[name] is None else loaded(given[name])
    return Drawn(**given | {"is_stale": bool(given["is_stale"])})
