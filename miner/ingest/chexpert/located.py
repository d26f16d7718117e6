"""Where sections that came as columns stand in the raw report, so that quotes point into what was written."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from cxr.miner.language.sections import SectionName, trimmed

Spans = list[tuple[str, int, int]]
_WORD = re.compile(r"\S+")
_READING = (SectionName.FINDINGS, SectionName.IMPRESSION)


class Placed(NamedTuple):
    """A report's text with its sections, and how they were found."""

    text: str
    spans: Spans
    how: str
    """located, parsed or canonical."""


def plain_newlines(cell: pl.Expr) -> pl.Expr:
    r"""Return the text with each literal two-character `\n` as a newline and a blank, so that no offset moves."""
    return cell.str.replace_all("\\n", "\n ", literal=True)


def place(raw: str | None, sections: Sequence[tuple[str, str | None]]) -> Placed | None:
    """Find the text and sections of a report, given with its section columns (name, body) in their order.

    The raw report with the columns' offsets in it, if findings and impression can be located; with the sections that
    our parser finds, if the columns hold no reading; else a text made of the columns ("FINDINGS: ..."). None where
    there is no text at all.
    """
    filled = [(name, body.strip()) for name, body in sections if body is not None and body.strip()]
    reads = any(name in _READING for name, _ in filled)
    if raw is None or not raw.strip():
        return _canonical(filled) if reads else None
    if not reads:
        return Placed(raw, [(str(name), start, end) for name, start, end in trimmed(raw)], "parsed")
    spans = _locate(raw, filled)
    found = {name for name, _, _ in spans}
    if all(name in found for name, _ in filled if name in _READING):
        return Placed(raw, spans, "located")
    return _canonical(filled)


def _locate(raw: str, sections: Sequence[tuple[str, str]]) -> Spans:
    """Return the spans of the sections that are in the text, looked for one after another."""
    spans: Spans = []
    position = 0
    loose: _Loose | None = None
    for name, body in sections:
        start = raw.find(body, position)
        span = (start, start + len(body)) if start >= 0 else None
        if span is None:
            loose = loose or _Loose(raw)
            span = loose.find(body, position) or loose.find(body, 0)
        if span is not None and not any(start < span[1] and span[0] < end for _, start, end in spans):
            spans.append((name, *span))
            position = span[1]
    return sorted(spans, key=lambda span: span[1])


class _Loose:
    """A text in which words may be parted by any blanks: for sections whose line ends were lost."""

    def __init__(self, raw: str) -> None:
        """Note where each word stands in the text, and in the text with single blanks."""
        words = [match.span() for match in _WORD.finditer(raw)]
        self._raw = [start for start, _ in words]
        self._single: list[int] = []
        position = 0
        for start, end in words:
            self._single.append(position)
            position += end - start + 1
        self._text = " ".join(raw[start:end] for start, end in words)

    def find(self, body: str, position: int) -> tuple[int, int] | None:
        """Return where the body stands in the raw text, not before `position`."""
        words = " ".join(body.split())
        first = bisect_left(self._raw, position)
        begin = self._single[first] if first < len(self._single) else len(self._text)
        start = self._text.find(words, begin)
        return None if start < 0 else (self._at(start), self._at(start + len(words) - 1) + 1)

    def _at(self, position: int) -> int:
        word = bisect_right(self._single, position) - 1
        return self._raw[word] + position - self._single[word]


def _canonical(sections: Sequence[tuple[str, str]]) -> Placed:
    spans: Spans = []
    lines: list[str] = []
    position = 0
    for name, body in sections:
        header = f"{name.upper().replace('_', ' ')}: "
        spans.append((name, position + len(header), position + len(header) + len(body)))
        lines.append(header + body)
        position = spans[-1][2] + 1
    return Placed("\n".join(lines), spans, "canonical")
