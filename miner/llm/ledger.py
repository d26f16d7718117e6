"""Attempts on disk before they are made: what lets a run that was killed still say what it has spent.

One line when a request leaves, one when it has ended, in a file beside the store. A kill between the two leaves a
line without an end; the next run finds it, looks whether the reply came into the cache, and writes it down. The first
line is synced to the disk before the request leaves, so that a failure of power is no more than a kill; the second
follows with the next sync, because a lost end reads as a kill. A line that was damaged later counts as an attempt of
unknown cost: a limit on spending errs to the safe side.
"""

import errno
import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cxr.miner.kit.errors import EngineStopped, InputError
from cxr.miner.kit.files import whole_path
from cxr.miner.kit.jsonl import JsonObject
from cxr.miner.kit.together import Together
from cxr.schemas.call import Call

# The file is cut down to what is still open when it has grown past this.
_CUT_AT_BYTES = 8_000_000
KILLED = "killed in flight"
DAMAGED = "in a damaged line"
_SHORTEST_LINE = 400
_CALL_ID = re.compile(rb'"call_id":"([^"\\]{1,80})"')
T = TypeVar("T")
_COUNTS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "cost_usd")
_UNKNOWN = {**dict.fromkeys(_COUNTS), "latency_s": 0.0}


class Ledger(AbstractContextManager["Ledger", None]):
    """The open file of one store's attempts; only the store's one writer may hold it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()
        self._syncs: Together[None] = Together(self._sync, "cxr-attempts")
        self._lines: dict[str, list[str]] = {}
        """What the store does not have yet, by call."""
        self._size = 0
        self._lock = threading.Lock()

    def begin(self, call: Call, owner: dict[str, str]) -> "Future[None]":
        """Write down that a request is about to leave; it may when the future is done. `owner` names run and settings.

        Raises EngineStopped, here or by the future, where the disk does not take it.
        """
        line = _line({"begin": call.model_dump(mode="json", exclude_defaults=True), "owner": owner})
        with self._lock:
            self._lines[call.call_id] = [line]
            self._write(line)
        return self._syncs.put(None)

    def end(self, call: Call, owner: dict[str, str]) -> None:
        """Write down how a request ended; one that never left has no beginning."""
        line = _line({"end": call.model_dump(mode="json"), "owner": owner})
        with self._lock:
            self._lines.setdefault(call.call_id, []).append(line)
            self._write(line)

    def stored(self, call_ids: Iterable[str]) -> None:
        """Forget calls that the store now has; called after each commit, from the thread that commits.

        The file is cut down only when it has grown, to what the store does not have yet.
        """
        with self._lock:
            for call_id in call_ids:
                self._lines.pop(call_id, None)
            if self._size >= _CUT_AT_BYTES:
                self._rewrite([line for lines in self._lines.values() for line in lines])

    def clear(self) -> None:
        """Forget everything, now that the store has it."""
        with self._lock:
            self._lines.clear()
            self._rewrite(())

    def __exit__(self, *_: object) -> None:
        """Close the file; it stays where a request has no end yet, or the store has not taken all."""
        self._syncs.put(None)
        self._syncs.close()
        os.close(self._file)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _write(self, line: str) -> None:
        data = line.encode()
        try:
            written = os.write(self._file, data)
            if written < len(data):  # the disk took a part: nobody shall take that for a line that was damaged
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._full(error) from None
        self._size += len(data)

    def _sync(self, _: Sequence[None]) -> None:
        with self._lock:
            file = os.dup(self._file)  # the file may be replaced while the disk is busy
        try:
            os.fsync(file)
        except OSError as error:
            raise self._full(error) from None
        finally:
            os.close(file)

    def _full(self, error: OSError) -> EngineStopped:
        return EngineStopped(
            f"{self._path} cannot be written ({error.strerror}), and without it no call may be made; make room "
            "there and run the same command again"
        )

    def _rewrite(self, lines: Iterable[str]) -> None:
        """Replace the file by one with only these lines, so that a kill leaves the old one or the new one."""
        data = "".join(lines).encode()
        try:
            with whole_path(self._path, private=True) as partial:
                partial.write_bytes(data)
        except InputError as error:
            raise EngineStopped(str(error)) from None
        os.close(self._file)
        self._file = self._open()
        self._size = len(data)


@dataclass(frozen=True)
class Recovered:
    """What a ledger tells of an earlier run."""

    attempts: list[tuple[Call, dict[str, str]]]
    """Each with its owner."""
    broken: list[bytes]
    """Lines that are damaged."""


def recover(path: Path, finish: Callable[[Call], Call]) -> Recovered:
    """Return every attempt of an earlier run; one without an end goes through `finish`. Nothing where no file is."""
    if not path.exists():
        return Recovered([], [])
    lines, broken = told_and_broken(path.read_bytes(), _attempt)
    begun, ended = ({call.call_id: (call, owner) for at, call, owner in lines if at == kind} for kind in _KINDS)
    lost = [(finish(call), owner) for call_id, (call, owner) in begun.items() if call_id not in ended]
    return Recovered([*ended.values(), *lost], broken)


_KINDS = ("begin", "end")


def _attempt(entry: JsonObject) -> tuple[str, Call, dict[str, str]]:
    kind = next(kind for kind in _KINDS if kind in entry)
    owner = entry["owner"]
    if not owner.keys() <= {"run_id", "settings_hash"} or not all(isinstance(one, str) for one in owner.values()):
        raise ValueError("an owner that is none")
    return kind, call_of(entry[kind]), owner


def told_and_broken(data: bytes, read: Callable[[JsonObject], T]) -> tuple[list[T], list[bytes]]:
    """Return what `read` makes of each line of JSON, and the lines of which it makes nothing."""
    told: list[T] = []
    broken: list[bytes] = []
    for line in data.split(b"\n"):
        try:
            if line.strip():
                told.append(read(json.loads(line)))
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError, StopIteration):
            broken.append(line)
    return told, broken


def unreadable(broken: Iterable[bytes], known: AbstractSet[str]) -> int:
    """Return how many attempts damaged lines may have told of, rather too many than too few, the known ones apart."""
    count = 0
    for line in broken:
        named = {call_id.decode("utf-8", "replace") for call_id in _CALL_ID.findall(line)}
        count += max(len(named - known), max(len(line) // _SHORTEST_LINE, 1) - len(named & known))
    return count


def unreadable_said(path: Path, count: int) -> str:
    """Return the sentence about attempts that damaged lines may have told of."""
    return (
        f"{path} has lines that are damaged, and what they say of calls cannot be read: they count as {count:,} "
        f"call{'s' if count > 1 else ''} of unknown cost, and the run goes on"
    )


def call_of(told: Mapping[str, Any]) -> Call:
    """Return a call as a file tells it; numbers of usage that cannot be, as an earlier version booked, are unknown.

    Raises ValueError for what is no call.
    """
    try:
        return Call.model_validate(told)
    except ValidationError:
        return Call.model_validate({**told, **_UNKNOWN})


def _line(entry: dict[str, object]) -> str:
    return json.dumps(entry, separators=(",", ":")) + "\n"
