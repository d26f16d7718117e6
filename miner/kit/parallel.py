"""Working on many items at once and giving the results in the items' order: threads for waiting, processes for work."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.connection import wait
from typing import TypeVar

from cxr.miner.kit.errors import CxrError

T = TypeVar("T")
R = TypeVar("R")

Advance = Callable[[int, int | None], None]
"""Is told how many are done, and how many there are where that is known."""


def quiet(_done: int, _total: int | None = None) -> None:
    """Tell nobody."""


# A thread that waits for a server costs little, but not nothing.
_MOST_THREADS = 256


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ordered_map(work: Callable[[T], R], items: Iterable[T], workers: int, *, ahead: int | None = None) -> Iterator[R]:
    """Yield `work(item)` for each item, in order, with up to `workers` of them at work in threads.

    Items are taken only a little ahead of what has been given back, so that a long file never lies in memory whole:
    at most `ahead` of them, by default nearly twice as many as there are workers, and none for a single one. An error
    of `work` comes out in its item's turn; nothing new is begun after it.
    """
    workers = min(workers, _MOST_THREADS)
    if ahead is None:
        ahead = 2 * workers - 1 if workers > 1 else 0
    if not ahead:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="cxr")
    try:
        yield from _in_order(pool, work, items, ahead + 1)
    except BaseException:
        # Not waited for: who still asks a server is ended by whoever owns the connection to it.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def process_map(work: Callable[[T], R], items: Iterable[T], processes: int) -> Iterator[R]:
    """Yield `work(item)` for each item, in order, on so many worker processes; on this one alone for 1.

    An item has to be large enough that sending it costs little beside the work. Closing the iterator ends the workers,
    and they end by themselves where this process is killed. Raises CxrError where a worker dies.
    """
    if processes <= 1:
        yield from map(work, items)
        return
    pool = process_pool(processes)
    try:
        yield from _in_order(pool, work, items, 3 * processes)
    except BrokenExecutor:
        raise CxrError(
            "a worker process ended before its time; what was finished before is kept: look for its message above, or "
            "whether the machine ran out of memory, then run the same command again"
        ) from None
    finally:
        end_pool(pool)


def process_pool(processes: int) -> ProcessPoolExecutor:
    """Return worker processes, which begin with the first work and end by themselves where this process is killed."""
    # Spawned, not forked: a fork after Polars and DuckDB have started their threads can hang.
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker)


def end_pool(pool: ProcessPoolExecutor) -> None:
    """End worker processes, whatever they are at."""
    workers = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        worker.terminate()


def _in_order(pool: Executor, work: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, which then ends its workers; end where the parent has."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
