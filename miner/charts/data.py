"""What charts are drawn from, and what they come out as; nothing here needs matplotlib."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import ClassVar


@dataclass(frozen=True)
class Series:
    """One name and a value per category; `low` and `high` are the ends of intervals, None where there is none."""

    name: str
    values: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()

    def interval(self, place: int) -> tuple[float, float] | None:
        """Return the interval of a category, or None."""
        if place >= len(self.low) or place >= len(self.high):
            return None
        low, high = self.low[place], self.high[place]
        return None if low is None or high is None else (low, high)


@dataclass(frozen=True)
class Chart:
    """A picture and what it shows: `columns` and `rows` hold the numbers as text."""

    kind: ClassVar[str] = "picture"
    title: str
    description: str
    svg: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def html(self) -> str:
        """Return the chart as `<figure>`, with its numbers in a `<details>`; everything is escaped."""
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.columns)
        body = "".join(
            f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(text)}</td>" for text in rest)}</tr>'
            for first, *rest in self.rows
        )
        return (
            f'<figure class="chart"><figcaption>{escape(self.title)}</figcaption><div class="scroll">{self.svg}</div>'
            f'<details><summary>Numbers of “{escape(self.title)}”</summary><div class="scroll">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details></figure>"
        )
