"""Spans marked in a text: pieces that are plain or marked, in order, whatever overlaps what."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LONGEST_TEXT = 20_000
"""A page shows no more of one text than this; the store has all of it."""


@dataclass(frozen=True)
class MarkedSpan:
    """Characters `[start, end)` with the mark that they are to carry."""

    start: int
    end: int
    mark: str


@dataclass(frozen=True)
class Piece:
    """A stretch of text with the marks that cover all of it."""

    text: str
    marks: tuple[str, ...]
    opens: tuple[str, ...] = ()
    """The marks that begin with this stretch."""
    first: tuple[str, ...] = ()
    """Those of them that no earlier stretch has."""


def marked(text: str, spans: Sequence[MarkedSpan]) -> tuple[Piece, ...]:
    """Cut a text at the ends of spans; the pieces together are the text, or its beginning if it is very long.

    Spans that lie outside of the text mark nothing.
    """
    shown = text[:LONGEST_TEXT]
    inside = [span for span in spans if 0 <= span.start < span.end <= len(shown)]
    cuts = sorted({0, len(shown), *(place for span in inside for place in (span.start, span.end))})
    pieces = []
    seen: set[str] = set()
    for start, end in pairwise(cuts):
        marks = dict.fromkeys(span.mark for span in inside if span.start <= start and end <= span.end)
        opens = dict.fromkeys(span.mark for span in inside if span.start == start)
        first = tuple(mark for mark in opens if mark not in seen)
        seen.update(first)
        pieces.append(Piece(shown[start:end], tuple(marks), tuple(opens), first))
    if len(text) > len(shown):
        pieces.append(Piece(" […]", ()))
    return tuple(pieces)
