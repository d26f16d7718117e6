"""Many savers, one writer: what waits together is committed together, and nobody is answered before it is on the disk.

SQLite syncs its log at every commit. On a slow disk eight clients would wait for eight syncs, one after the other; so
one thread takes all that waits, gives each piece of work a savepoint of its own, and commits once.
"""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Any]

_MOST = 64


class Committer:
    """Runs work on one connection, in one thread, which begins with the first work."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._waiting: SimpleQueue[tuple[Work, Future[Any]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def do(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Return what the work returns, once it is on the disk; raises what the work or the commit raises."""
        future: Future[Result] = Future()
        with self._lock:
            if self._is_closed:
                raise sqlite3.ProgrammingError("the book is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="review book", daemon=True)
                self._thread.start()
            self._waiting.put((work, future))
        return future.result()

    def close(self) -> None:
        """Finish what waits, and end."""
        with self._lock:
            self._is_closed = True
            if self._thread is not None:
                self._waiting.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        goes_on = True
        while goes_on:
            batch: list[tuple[Work, Future[Any]]] = []
            goes_on = self._take(batch)
            try:
                connection = connection or self._connect()
                _commit(connection, batch)
            except BaseException as error:  # noqa: BLE001 - whoever waits has to hear of it, and the thread goes on
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
        if connection is not None:
            connection.close()

    def _take(self, batch: list[tuple[Work, Future[Any]]]) -> bool:
        """Fill a batch with what waits, at least one; return whether there is more to come."""
        first = self._waiting.get()
        while first is not None:
            batch.append(first)
            if len(batch) == _MOST:
                return True
            try:
                first = self._waiting.get_nowait()
            except Empty:
                return True
        return False


def _commit(connection: sqlite3.Connection, batch: list[tuple[Work, Future[Any]]]) -> None:
    """Do the work of a batch in one transaction; work that fails is undone alone."""
    if not batch:
        return
    done: list[tuple[Future[Any], Any]] = []
    failed: list[tuple[Future[Any], BaseException]] = []
    try:
        connection.execute("begin immediate")
        for work, future in batch:
            connection.execute("savepoint one")
            try:
                done.append((future, work(connection)))
            except sqlite3.Error:
                raise  # the disk, not the work: SQLite may have ended the transaction by itself
            except Exception as error:  # noqa: BLE001 - it goes to who gave the work
                failed.append((future, error))
                connection.execute("rollback to one")
            connection.execute("release one")
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise
    for future, result in done:
        future.set_result(result)
    for future, refusal in failed:
        future.set_exception(refusal)
