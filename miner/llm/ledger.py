"""Attempts on disk before they are made: what lets a run that was killed still say what it has spent.

One line when a request leaves, one when it has ended, in a file beside the store. A kill between the two leaves a
line without an end; the next run finds it, looks whether the reply came into the cache, and writes it down.
"""

import json
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from cxr.miner.kit.errors import EngineStopped
from cxr.miner.kit.jsonl import whole_lines
from cxr.schemas.call import Call

# The file is cut down to what is still open when it has grown past this.
_CUT_AT_BYTES = 8_000_000
KILLED = "killed in flight"


class Ledger(AbstractContextManager["Ledger", None]):
    """The open file of one store's attempts; only the store's one writer may hold it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()
        self._lines: dict[str, list[str]] = {}
        """What the store does not have yet, by call."""
        self._size = 0
        self._lock = threading.Lock()

    def begin(self, call: Call, owner: dict[str, str]) -> None:
        """Write down that a request is about to leave; `owner` names run and settings."""
        line = _line({"begin": call.model_dump(mode="json", exclude_defaults=True), "owner": owner})
        with self._lock:
            self._lines[call.call_id] = [line]
            self._write(line)

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
        os.close(self._file)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _write(self, line: str) -> None:
        data = line.encode()
        try:
            os.write(self._file, data)
        except OSError as error:
            raise EngineStopped(
                f"{self._path} cannot be written ({error.strerror}), and without it no call may be made; make room "
                "there and run the same command again"
            ) from None
        self._size += len(data)

    def _rewrite(self, lines: Iterable[str]) -> None:
        """Replace the file by one with only these lines, so that a kill leaves the old one or the new one."""
        data = "".join(lines).encode()
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_bytes(data)
        beside.chmod(0o600)
        os.close(self._file)
        beside.replace(self._path)
        self._file = self._open()
        self._size = len(data)


def recover(path: Path, finish: Callable[[Call], Call]) -> list[tuple[Call, dict[str, str]]]:
    """Return every attempt of an earlier run with its owner; one without an end goes through `finish`.

    Empty where there is no file. A last line that was cut off by the kill is a request that had not left.
    """
    if not path.exists():
        return []
    begun: dict[str, tuple[Call, dict[str, str]]] = {}
    ended: dict[str, tuple[Call, dict[str, str]]] = {}
    for entry in whole_lines(path.read_bytes()):
        call = Call.model_validate(entry.get("begin") or entry["end"])
        (begun if "begin" in entry else ended)[call.call_id] = (call, entry["owner"])
    lost = [(finish(call), owner) for call_id, (call, owner) in begun.items() if call_id not in ended]
    return [*ended.values(), *lost]


def _line(entry: dict[str, object]) -> str:
    return json.dumps(entry, separators=(",", ":")) + "\n"
