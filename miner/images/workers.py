"""Facts of many image files at once: processes for the work, threads in each for the waiting."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from cxr.miner.images.facts import Facts, read_facts

CHUNK = 512
_THREADS = 8
"""Per process: a network file system answers slowly, but many questions at once."""
_ALONE = 4_000
"""Files that are checked faster than worker processes start."""


def all_facts(paths: Sequence[str], advance: Callable[[int, int], None], workers: int | None = None) -> Iterator[Facts]:
    """Yield the facts of the files in order; `workers` are processes, by default one per processor."""
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    count = workers or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else workers or 2
    if len(paths) <= _ALONE or count == 1:
        answers: Iterator[list[Facts]] = map(read_chunk, chunks)
        yield from _told(answers, len(paths), advance)
        return
    # Spawned, not forked: a fork after Polars and DuckDB have started their threads can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as processes:
        try:
            yield from _told(processes.map(read_chunk, chunks), len(paths), advance)
        except BaseException:
            processes.shutdown(wait=False, cancel_futures=True)
            raise


def _told(answers: Iterator[list[Facts]], total: int, advance: Callable[[int, int], None]) -> Iterator[Facts]:
    done = 0
    for facts in answers:
        yield from facts
        done += len(facts)
        advance(done, total)


def read_chunk(paths: Sequence[str]) -> list[Facts]:
    """Return the facts of some files; runs in a worker process."""
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(read_facts, paths))
