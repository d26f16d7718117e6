"""What people see: tables and progress on a terminal, plain lines elsewhere; data goes to stdout, talk to stderr.

All of it goes through `Safe`, or `echo` where nothing is laid out: text of a corpus never acts on a terminal.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from cxr.miner.kit.parallel import Advance
from cxr.miner.kit.visible import one_line, visible

PLAIN_LINE_EVERY_S = 5.0
# A file or a pipe has no width of its own; narrower, and tables fold.
PLAIN_WIDTH = 160


class Safe(Console):
    """A console on which no character of a text acts; colours and movements are those of Rich alone."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; texts are made visible before they are laid out, so that columns stay as wide as they look."""
        super().print(*(_visible_text(one) if isinstance(one, Text) else one for one in objects), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render; whatever a text came through, this is the last that touches it."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def _visible_text(text: Text) -> Text:
    shown = text.copy()
    shown.plain = visible(text.plain)
    return shown


def out() -> Console:
    """Return the console for results."""
    return _console(sys.stdout.isatty(), stderr=False)


def talk() -> Console:
    """Return the console for everything that is not a result."""
    return _console(sys.stderr.isatty(), stderr=True)


def _console(is_terminal: bool, *, stderr: bool) -> Console:  # noqa: FBT001
    width = None if is_terminal or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Safe(stderr=stderr, highlight=False, soft_wrap=not is_terminal, width=width)


def say(message: str) -> None:
    """Tell the user something, on stderr; nothing in it is read as markup, and it is one line."""
    talk().print(Text(one_line(message)))


def echo(text: str, *, end: str = "\n", exact: bool = False) -> None:
    """Write text to stdout that is laid out already; `exact` data is changed for eyes at a terminal alone."""
    print(text if exact and not sys.stdout.isatty() else visible(text), end=end, flush=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Make a table; numbers stand to the right, floats with three decimals, and nothing is read as markup."""
    made = Table(
        title=Text(visible(title)) if title else None, title_justify="left", title_style="bold", header_style="bold"
    )
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) or row[index] is None for row in rows)
        made.add_column(Text(visible(column)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(visible(cell(value))) for value in row))
    return made


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table of text without a title."""
    return table("", columns, rows)


def cell(value: object) -> str:
    """Write a value for a table."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


class Display:
    """How far something is, between `start` and `stop`: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, name: str, *, counts: bool = True) -> None:
        """Take what is done; without `counts`, the words of each update say themselves how many of how many."""
        self._name, self._counts = name, counts
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._said = 0.0

    def start(self, done: int = 0, total: int | None = None, words: str = "") -> None:
        """Begin to show."""
        self._said = time.monotonic()
        console = talk()
        if console.is_terminal:
            columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False), BarColumn(20)]
            if self._counts:
                columns += [MofNCompleteColumn(), TimeRemainingColumn()]
            self._bar = Progress(*columns, console=console, transient=True)
            self._task = self._bar.add_task(self._line(words), total=total, completed=done)
            self._bar.start()

    def update(self, done: int, total: int | None, words: str = "", *, last: bool = False) -> None:
        """Show how far it is now; the last line is written whenever the one before it was."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, description=self._line(words))
        elif last or time.monotonic() - self._said >= PLAIN_LINE_EVERY_S:
            self._said = time.monotonic()
            counted = f"{done:,}" + ("" if total is None else f" of {total:,}") if self._counts else ""
            say(self._line(", ".join(filter(None, (counted, words)))))

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _line(self, words: str) -> str:
        return f"{self._name}: {words}" if words else self._name

    def __enter__(self) -> Self:
        """Begin to show."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        self.stop()


@contextmanager
def progress(name: str) -> Iterator[Advance]:
    """Return a function of (done, total) that shows how far something is."""
    with Display(name) as shown:
        yield shown.update
