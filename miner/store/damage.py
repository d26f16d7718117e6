"""A store that is damaged, or whose disk is full: what happened, what is kept, and what to do, as one sentence."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import duckdb

from cxr.miner.kit.errors import StoreError
from cxr.miner.kit.faults import of_a_disk

_BROKEN = ("Corrupt database file", "Could not read enough bytes", "Failed to load metadata", "deserialize")
# Field 100, the kind of an entry, is 98: the version of the log (DuckDB's storage/write_ahead_log).
_LOG_BEGINS = b"d\x00b"
_BROKEN_KINDS = (duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)


def damage(error: duckdb.Error, path: Path) -> str | None:
    """Return what is wrong with a store's file or disk, None where an error is about something else."""
    text = str(error)
    if (said := of_a_disk(text)) is not None:
        return f"{path}: {said}"
    if "WAL" in text:
        return _of_log(path)
    if any(words in text for words in _BROKEN) or isinstance(error, _BROKEN_KINDS):
        return (
            f"{path} is damaged, a part of it cannot be read; put back a copy, or move it away and begin again with "
            "`cxr ingest`: replies of models stay in the reply cache, and `cxr sql` still reads the tables that are "
            "whole"
        )
    return None


def demand_log(path: Path) -> None:
    """Raise StoreError where the log beside a store is none: DuckDB would take it for an empty one and say nothing.

    A log begins with its version's entry; one that ends within that was being begun when its writer died.
    """
    try:
        with path.with_name(f"{path.name}.wal").open("rb") as log:
            begins = log.read(len(_LOG_BEGINS))
    except OSError:  # none, or not ours to read, which DuckDB says
        return
    if not _LOG_BEGINS.startswith(begins):
        raise StoreError(_of_log(path))


def _of_log(path: Path) -> str:
    return (
        f"{path}.wal, which holds the newest changes of {path}, is damaged; move it away (mv {path}.wal "
        f"{path}.wal.damaged): all that {path} itself holds is kept, the changes are lost, and the commands that "
        "made them, given again, make them again; replies of models stay in the reply cache"
    )


@contextlib.contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Turn what DuckDB says of a damaged store or a full disk into a StoreError."""
    try:
        yield
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        if (said := damage(error, path)) is None:
            raise
        raise StoreError(said) from None
