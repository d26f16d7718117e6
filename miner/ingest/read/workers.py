"""Worker processes that read report files: as many chunks at once as there are processors, answers in order."""

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue

import polars as pl
import pyarrow as pa

from cxr.miner.ingest.read.members import Failed, Member, answer, decode, receive, send
from cxr.miner.kit.errors import InputError

CHUNK = 2_000
"""Reports per task: about 2 MB of text, so that a few tasks in flight stay small."""
LABELED_CHUNK = 500
"""Labeling takes milliseconds a report: smaller tasks show progress."""
MAX_WORKERS = 4
"""Each takes about 100 MB; the store cannot take in more than four give out."""
_ALONE = 1_000
"""Reports that are read faster than a worker starts."""

Answer = tuple[pa.Table, list[Failed]]


def read_members(source: str, members: pl.DataFrame, *, label: bool = False) -> Iterator[Answer]:
    """Yield the reports of a zip file or tree in the order of `members` (columns as in Member), chunk by chunk.

    Raises InputError where a worker dies. Closing the iterator ends the workers.
    """
    size = LABELED_CHUNK if label else CHUNK
    chunks = members.select(Member._fields).iter_slices(size)
    tasks = (json.dumps({"source": source, "members": chunk.rows(), "label": label}).encode() for chunk in chunks)
    if members.height <= _ALONE:
        for task in tasks:
            yield decode(answer(task))
        return
    count = min(_processors(), MAX_WORKERS, -(-members.height // size))
    workers = [_start() for _ in range(count)]
    idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
    for worker in workers:
        idle.put(worker)
    pending: deque[Future[Answer]] = deque()
    threads = ThreadPoolExecutor(len(workers))
    try:
        for task in tasks:
            pending.append(threads.submit(_ask, idle, task))
            if len(pending) > 2 * len(workers):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        for worker in workers:
            _stop(worker)
        threads.shutdown()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start() -> subprocess.Popen[bytes]:
    # A fresh interpreter instead of a fork: forking after Polars and DuckDB started their threads can hang.
    # -P keeps the user's working folder off the import path.
    command = [sys.executable, "-P", "-m", "cxr.miner.ingest.read.members"]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _ask(idle: "SimpleQueue[subprocess.Popen[bytes]]", task: bytes) -> Answer:
    worker = idle.get()
    try:
        if worker.stdin is None or worker.stdout is None:
            raise InputError("a worker process has no pipes; this is a mistake in cxr")
        with suppress(BrokenPipeError):
            send(worker.stdin, task)
        reply = receive(worker.stdout)
    finally:
        idle.put(worker)
    if reply is None:
        raise InputError(
            "a worker process that reads reports ended before its time; the store is as it was: look for its message "
            "above, or whether the machine ran out of memory"
        )
    return decode(reply)


def _stop(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError, ValueError):
                pipe.close()
    worker.wait()
