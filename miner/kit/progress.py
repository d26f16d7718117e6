"""The numbers of a run: on the terminal while it goes on, and in a file for `cxr status`.

DuckDB lets nobody read while one process writes. The writer therefore keeps a small file beside the store with its
numbers, never with text, replaced as a whole once a second.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from cxr.miner.kit.console import Display, table
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.files import whole_file

_FILE_EVERY_S = 1.0
_WINDOW_S = 15.0


@dataclass
class Numbers:
    """What a run has done, as people want to know it."""

    command: str
    total: int
    already: int
    pid: int = 0
    done: int = 0
    rejected: int = 0
    calls: int = 0
    failed: int = 0
    cached: int = 0
    in_flight: int = 0
    tokens: int = 0
    usd: float | None = None
    usd_of_job: float | None = None
    looked: int = 0
    """Chains that were judged, of those done."""
    factual: int = 0
    calls_per_s: float = 0.0
    seconds_left: float | None = None
    waiting: str = ""
    started_at: float = 0.0
    updated_at: float = 0.0

    def line(self) -> str:
        """Return everything on one line."""
        cost = "cost unknown" if self.usd is None else f"${self.usd:.4f}"
        left = "" if self.seconds_left is None else f", {clock(self.seconds_left)} left"
        return (
            f"{self.done:,} of {self.total:,} done, {self.rejected:,} rejected, {self.calls:,} calls "
            f"({self.failed:,} failed), {self.cached:,} cached, {self.tokens:,} tokens, {cost}{self._yield()}, "
            f"{self.calls_per_s:.1f} calls/s{left}{self.waiting}"
        )

    def _yield(self) -> str:
        """Return the share of chains that are factual so far, and what one of these costs."""
        if not self.looked:
            return ""
        share = self.factual / self.looked
        cost = f", ${self.usd / (self.done * share):.4f} each" if self.usd and self.done and share else ""
        return f", {share:.0%} factual{cost}"

    def table(self) -> Table:
        """Return everything as a table, for `cxr status` while the store is locked."""
        cost = "unknown" if self.usd is None else f"${self.usd:.4f} now, ${self.usd_of_job or 0:.4f} for the whole job"
        rows: list[tuple[str, object]] = [
            ("process", str(self.pid)),
            ("running for", clock(time.time() - self.started_at)),
            ("questions done", f"{self.done:,} of {self.total:,}, and {self.already:,} before"),
            ("rejected", self.rejected),
            ("calls", f"{self.calls:,}, {self.failed:,} failed, {self.in_flight:,} in flight"),
            ("from the cache", self.cached),
            ("tokens", self.tokens),
            ("cost", cost),
            ("factual of those judged", f"{self.factual:,} of {self.looked:,}{self._yield()}" if self.looked else ""),
            ("calls a second", f"{self.calls_per_s:.1f}"),
            ("time left", "unknown" if self.seconds_left is None else clock(self.seconds_left)),
        ]
        return table(f"{self.command}, {time.time() - self.updated_at:.0f} s ago", ["", ""], rows)


def clock(seconds: float) -> str:
    """Write seconds as people say them: 42 s, 12 min, 3 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


class Live:
    """Shows and files the numbers of one run."""

    def __init__(self, numbers: Numbers, path: Path, display: Display) -> None:
        self.numbers = numbers
        self._path = path
        self._display = display
        self._filed_at = 0.0
        self._history: list[tuple[float, int, int]] = []
        numbers.pid, numbers.started_at = os.getpid(), time.time()

    def tick(self, *, last: bool = False) -> None:
        """Bring everything up to date; cheap enough to be called several times a second."""
        now, numbers = time.monotonic(), self.numbers
        self._history.append((now, numbers.calls, numbers.done + numbers.rejected))
        while len(self._history) > 2 and self._history[0][0] < now - _WINDOW_S:
            del self._history[0]
        then, calls, ended = self._history[0]
        span = max(now - then, 1e-3)
        numbers.calls_per_s = (numbers.calls - calls) / span
        pace = (numbers.done + numbers.rejected - ended) / span
        left = numbers.total - numbers.done - numbers.rejected
        numbers.seconds_left = left / pace if pace > 0 else None
        numbers.updated_at = time.time()
        if last or now - self._filed_at >= _FILE_EVERY_S:
            self._filed_at = now
            self._file()
        self._display.update(numbers.done + numbers.rejected, numbers.total, numbers.line(), last=last)

    def _file(self) -> None:
        # Without room on the disk the run ends soon enough, and says so itself.
        with contextlib.suppress(InputError), whole_file(self._path) as out:
            out.write(json.dumps(asdict(self.numbers)))


@contextlib.contextmanager
def live(numbers: Numbers, path: Path) -> Iterator[Live]:
    """Return a `Live` that shows itself while the block runs, and takes its file away afterwards."""
    with Display(numbers.command, counts=False) as display:
        shown = Live(numbers, path, display)
        try:
            yield shown
            shown.tick(last=True)
        finally:
            path.unlink(missing_ok=True)


def progress_path(store: Path) -> Path:
    """Return the file in which a run says how far it is, for `cxr status` while the store is locked."""
    return store.with_name(f"{store.name}.progress")


def read_progress(path: Path) -> Numbers | None:
    """Return the numbers of a run that is still going on, None where there is none."""
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        numbers = Numbers(**said)
        os.kill(numbers.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return numbers
