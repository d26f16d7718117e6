"""Facts of many image files at once: processes for the work, threads in each for the waiting."""

from collections.abc import Iterator, Sequence

from cxr.miner.images.facts import FileFacts, read_facts
from cxr.miner.kit.parallel import Advance, ordered_map, process_map, processors, quiet
from cxr.schemas.vocabulary import FileStatus, RejectReason

FILES_AT_ONCE = 512
_THREADS = 8
"""Per process: a network file system answers slowly, but many questions at once."""
_ALONE = 4_000
"""Files that are checked faster than worker processes start."""


def all_facts(paths: Sequence[str], advance: Advance = quiet, workers: int | None = None) -> Iterator[FileFacts]:
    """Yield the facts of the files in order; `workers` are processes, by default one per processor."""
    chunks = [paths[start : start + FILES_AT_ONCE] for start in range(0, len(paths), FILES_AT_ONCE)]
    count = 1 if len(paths) <= _ALONE else workers or processors()
    done = 0
    for facts in process_map(read_files, chunks, count):
        yield from facts
        done += len(facts)
        advance(done, len(paths))


def unusable(paths: Sequence[str], *, most_odd: int | None = None) -> dict[str, tuple[RejectReason, str | None]]:
    """Return the files that are missing, truncated or unreadable, with the reason and what is wrong in them.

    With `most_odd` also those that are more than so many times as long as wide.
    """
    found = zip(paths, all_facts(paths), strict=True)
    problems = ((path, _problem(facts, most_odd)) for path, facts in found)
    return {path: problem for path, problem in problems if problem is not None}


def reason_of(facts: FileFacts, most_odd: int | None = None) -> RejectReason | None:
    """Return why an image cannot be used, by its header; None where it can."""
    problem = _problem(facts, most_odd)
    return None if problem is None else problem[0]


def _problem(facts: FileFacts, most_odd: int | None) -> tuple[RejectReason, str | None] | None:
    if facts.status is not FileStatus.PRESENT:
        return RejectReason(f"image_{facts.status}"), facts.why
    if most_odd and facts.width and facts.height:
        long, short = max(facts.width, facts.height), min(facts.width, facts.height)
        if long > most_odd * short:
            return RejectReason.IMAGE_SHAPE, f"{facts.width:,} x {facts.height:,} pixels"
    return None


def read_files(paths: Sequence[str]) -> list[FileFacts]:
    """Return the facts of some files; runs in a worker process."""
    return list(ordered_map(read_facts, paths, _THREADS))
