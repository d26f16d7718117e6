"""What people see: tables and progress on a terminal, plain lines elsewhere; data goes to stdout, talk to stderr."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

PLAIN_LINE_EVERY_S = 5.0
# A file or a pipe has no width of its own; narrower, and tables fold.
PLAIN_WIDTH = 160


def out() -> Console:
    """Return the console for results."""
    return _console(sys.stdout.isatty(), stderr=False)


def talk() -> Console:
    """Return the console for everything that is not a result."""
    return _console(sys.stderr.isatty(), stderr=True)


def _console(is_terminal: bool, *, stderr: bool) -> Console:  # noqa: FBT001
    width = None if is_terminal or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(stderr=stderr, highlight=False, soft_wrap=not is_terminal, width=width)


def say(message: str) -> None:
    """Tell the user something, on stderr; nothing in it is read as markup."""
    talk().print(Text(message))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Make a table; numbers stand to the right, floats with three decimals, and nothing is read as markup."""
    made = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) or row[index] is None for row in rows)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell(value)) for value in row))
    return made


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Make a table of text as it is."""
    made = Table(header_style="bold")
    for column in columns:
        made.add_column(Text(column), overflow="fold")
    for row in rows:
        made.add_row(*(Text(value) for value in row))
    return made


def cell(value: object) -> str:
    """Write a value for a table."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


@contextmanager
def progress(description: str) -> Iterator[Callable[[int, int | None], None]]:
    """Return a function of (done, total) that shows progress: a bar on a terminal, a line now and then elsewhere."""
    console = talk()
    if not console.is_terminal:
        yield _plain_lines(description)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _plain_lines(description: str) -> Callable[[int, int | None], None]:
    last = time.monotonic()

    def advance(done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_LINE_EVERY_S:
            last = time.monotonic()
            say(f"{description}: {done:,}" + ("" if total is None else f" of {total:,}"))

    return advance
