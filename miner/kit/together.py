"""One sync of the disk for all that wait for one.

A disk takes about as long for one small write that has to be safe as for fifty: what comes while it is busy is written
together.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """Writes from a thread of its own; any number of threads may put."""

    def __init__(
        self, write: Callable[[Sequence[T]], None], name: str, *, at_end: Callable[[], None] | None = None
    ) -> None:
        """`write` takes what has gathered and returns when it is safe on disk; `at_end` runs last, in the thread."""
        self._write, self._at_end = write, at_end
        self._waiting: list[tuple[T, Future[None]]] = []
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, name)

    def put(self, item: T) -> "Future[None]":
        """Return a future that is done when the item is safe on disk, or raises what `write` raised for it."""
        future: Future[None] = Future()
        with self._lock:
            self._waiting.append((item, future))
        self._thread.submit(self._write_waiting)
        return future

    def close(self) -> None:
        """Wait for everything that was put; nothing may be put afterwards."""
        if self._at_end is not None:
            self._thread.submit(self._at_end)
        self._thread.shutdown()

    def _write_waiting(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if len(waiting) > 1 and self._written(waiting):
            return
        # One at a time: where not all can be kept, as on a full disk, some may.
        for one in waiting:
            self._written([one])

    def _written(self, waiting: Sequence[tuple[T, "Future[None]"]]) -> bool:
        """Write and tell those who wait; of several, none is told of a failure."""
        try:
            self._write([item for item, _ in waiting])
        except Exception as error:  # noqa: BLE001 - it is raised where the item came from
            if len(waiting) == 1:
                _tell(waiting[0][1], error)
            return False
        for _, future in waiting:
            _tell(future, None)
        return True


def _tell(future: "Future[None]", error: Exception | None) -> None:
    if future.set_running_or_notify_cancel():  # whoever waited may have been dropped
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
