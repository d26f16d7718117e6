"""Attempts on disk before they are made: what lets a run that was killed still say what it has spent.

One line when a request leaves, one when it has ended, in a file beside the store. A kill between the two leaves a
line without an end; the next run finds it, looks whether the reply came into the cache, and writes it down. The first
line is synced to the disk before the request leaves, so that a failure of power is no more than a kill; the second
follows with the next sync, because a lost end reads as a kill.
"""

import contextlib
import errno
import json
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import ValidationError

from cxr.miner.kit.errors import EngineStopped, InputError
from cxr.miner.kit.files import whole_path
from cxr.miner.kit.jsonl import whole_lines
from cxr.miner.kit.together import Together
from cxr.schemas.call import Call

# The file is cut down to what is still open when it has grown past this.
_CUT_AT_BYTES = 8_000_000
KILLED = "killed in flight"
_UNKNOWN = {"prompt_tokens": None, "completion_tokens": None, "cached_tokens": None, "cost_usd": None, "latency_s": 0.0}


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
            if written < len(data):  # the disk took a part: the next line shall not hang on to it
                os.write(self._file, b"\n")
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


def recover(path: Path, finish: Callable[[Call], Call]) -> list[tuple[Call, dict[str, str]]]:
    """Return every attempt of an earlier run with its owner; one without an end goes through `finish`.

    Empty where there is no file. A last line that was cut off by the kill is a request that had not left; a line that
    is damaged, or tells no attempt, is left out.
    """
    if not path.exists():
        return []
    begun: dict[str, tuple[Call, dict[str, str]]] = {}
    ended: dict[str, tuple[Call, dict[str, str]]] = {}
    for entry in whole_lines(path.read_bytes()):
        call, owner = call_of(entry.get("begin") or entry.get("end")), entry.get("owner")
        if call is not None and isinstance(owner, dict):
            (begun if "begin" in entry else ended)[call.call_id] = (call, owner)
    lost = [(finish(call), owner) for call_id, (call, owner) in begun.items() if call_id not in ended]
    return [*ended.values(), *lost]


def call_of(told: object) -> Call | None:
    """Return a call as a file tells it, None where it tells none.

    Numbers of usage that cannot be, as an earlier version booked, are unknown.
    """
    if isinstance(told, dict):
        for known in (told, {**told, **_UNKNOWN}):
            with contextlib.suppress(ValidationError):
                return Call.model_validate(known)
    return None


def _line(entry: dict[str, object]) -> str:
    return json.dumps(entry, separators=(",", ":")) + "\n"
