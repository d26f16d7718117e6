"""Worker processes that read report files: as many chunks at once as there are processors, answers in order."""

from collections.abc import Iterator
from functools import partial

import polars as pl

from cxr.miner.ingest.read.members import Answer, Member, read_chunk
from cxr.miner.kit.errors import CxrError, InputError
from cxr.miner.kit.parallel import process_map, processors

CHUNK = 2_000
"""Reports per task: about 2 MB of text, so that a few tasks in flight stay small."""
LABELED_CHUNK = 500
"""Labeling takes milliseconds a report: smaller tasks show progress."""
MAX_WORKERS = 4
"""Each takes about 100 MB; the store cannot take in more than four give out."""
_ALONE = 1_000
"""Reports that are read faster than a worker starts."""


def read_members(source: str, members: pl.DataFrame, *, label: bool = False) -> Iterator[Answer]:
    """Yield the reports of a zip file or tree in the order of `members` (columns as in Member), chunk by chunk.

    Raises InputError where a worker dies. Closing the iterator ends the workers.
    """
    size = LABELED_CHUNK if label else CHUNK
    # Plain tuples: a quarter of a million objects of a class of ours would take a second to send.
    tasks = (chunk.rows() for chunk in members.select(Member._fields).iter_slices(size))
    alone = members.height <= _ALONE
    count = 1 if alone else min(processors(), MAX_WORKERS, -(-members.height // size))
    try:
        yield from process_map(partial(read_chunk, source, label=label), tasks, count)
    except CxrError:
        raise InputError(
            "a worker process that reads reports ended before its time; the store is as it was: look for its message "
            "above, or whether the machine ran out of memory"
        ) from None
