"""Working on many items at once and giving the results in the items' order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# A thread that waits for a server costs little, but not nothing.
_MOST_THREADS = 256


def ordered_map(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Give `work(item)` for each item, in order, with up to `workers` of them at work in threads.

    Items are taken only a little ahead of what has been given back, so that a long file never lies in memory whole.
    An error of `work` comes out in its item's turn; nothing new is begun after it.
    """
    if workers <= 1:
        yield from map(work, items)
        return
    workers = min(workers, _MOST_THREADS)
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="cxr")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Not waited for: who still asks a server is ended by whoever owns the connection to it.
        pool.shutdown(wait=False, cancel_futures=True)
