"""What a section of the page is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from cxr.miner.charts.data import Chart, Series
from cxr.miner.kit.console import cell
from cxr.miner.stats.resampling import NO_ESTIMATE, Estimate


@dataclass(frozen=True)
class PageTable:
    """Rows under named columns; numbers stand to the right, as on the command line."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    folded: bool = False
    """Long tables start closed."""

    @classmethod
    def of(cls, caption: str, frame: pl.DataFrame, *, folded: bool = False) -> "PageTable":
        """Return a frame as it is."""
        return cls(caption, tuple(frame.columns), tuple(frame.rows()), folded)

    @property
    def cells(self) -> list[list[str]]:
        """Return the rows as text."""
        return [[cell(value) for value in row] for row in self.rows]

    @property
    def numeric(self) -> list[bool]:
        """Return which columns hold nothing but numbers."""
        return [
            bool(self.rows) and all(row[place] is None or isinstance(row[place], int | float) for row in self.rows)
            for place in range(len(self.columns))
        ]


@dataclass(frozen=True)
class PageNote:
    """A sentence or two."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class PageNumber:
    """One of the large numbers at the top."""

    label: str
    value: str
    hint: str = ""


PagePart = PageTable | PageNote | Chart


@dataclass(frozen=True)
class PageSection:
    """A heading, an introduction and what follows."""

    id: str
    title: str
    intro: str
    parts: Sequence[PagePart]


def series_of(name: str, found: Sequence[Estimate | None]) -> Series:
    """Return one name with a value per category and its interval, where there is one."""
    known = [one or NO_ESTIMATE for one in found]
    return Series(name, [one.value for one in known], [one.low for one in known], [one.high for one in known])
