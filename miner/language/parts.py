"""Which parts of a report are read, and which of two parts counts where they disagree.

A wet read, the final read, an attending's revision, an addendum, and several examinations in one report: what a later
one says of a thing stands, and what an earlier one said of it does not.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from cxr.miner.language.blanks import is_blank
from cxr.miner.language.sections import Block, SectionName, final_stretches, outline

EARLIER, ORIGINAL, FINAL, REVISED, ADDED, CORRECTING = 0, 50, 100, 200, 300, 400
"""Ranks of a wet read, the report before an addendum, the final read, its revision, an addendum, one that speaks of an
error; examinations count up from these."""

_LABEL = re.compile(
    r"^[ \t]*(?:"
    r"(?P<earlier>(?:preliminary|prelim|trainee|resident|wet|overnight)\b(?: \w+){0,2})"
    r"|(?P<original>(?:initial|original)\b(?: \w+){0,2})"
    r"|(?P<revised>(?:final|attending|revised|revision|corrected|amended|updated)\b(?: \w+){0,2})"
    r"|(?P<added>(?:late )?addend(?:um|a|ed)\b(?:[^:\n.]|:\d){0,60})"
    r"|(?P<exam>(?:(?:first|second|third|1st|2nd|3rd) (?:exam|examination|film|study|image|view)\b"
    r"|(?:exam|examination|film|study|image|view)[ #]*\d\b)[^:\n.]{0,20}(?:\d{1,2}:\d{2})?"
    r"|\d{1,2}:\d{2}(?: ?h(?:ours)?)?)"
    r")[ \t]*(?::(?!\d)|,? *$)",
    re.IGNORECASE | re.MULTILINE,
)
_SIGNS = (
    "addend", "initial", "original", "prelim", "trainee", "resident", "wet", "overnight", "final", "attending", "revis",
    "correct", "amend", "first ", "second ", "updated", "provisional", "pfi", '"', "\u201c",
)  # fmt: skip
# "9:30", "#2", "exam 2": from the digit on, since most texts have none.
_NUMBERED = re.compile(
    r"\d(?::\d\d|(?<=#\d)|(?<=exam \d)|(?<=examination \d)|(?<=film \d)|(?<=study \d)|(?<=image \d)|(?<=view \d))"
)
_INLINE = re.compile(
    r"(?<=[.!?] )(?:(?P<added>addendum\b(?:[^:\n.]|:\d){0,60})|(?P<revised>(?:final|attending|revised|corrected)\b"
    r"(?: \w+)?)):(?!\d)",
    re.IGNORECASE,
)
_AGREES = re.compile(r"\bagree|\babove\b|\brest\b|\bremainder\b|\bunchanged\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]{2,}")
# "The original impression stated: "no X"": what is quoted is said of the text, not of the image.
_QUOTED = re.compile(
    r"\b(?:stated|states|reads?|said|reported|described|dictated|word|words|sentence|phrase)(?: as)?[:,]? ?"
    r"(?:\"[^\"\n]{0,300}\"|\u201c[^\u201d\n]{0,300}\u201d)"
)
_WRONG = re.compile(
    r"\berror|in fact\b|should (?:read|say|be)\b|incorrect|misdictat|mislabel|\bwrong|\binstead\b", re.IGNORECASE
)
_CORRECT = re.compile(r"\bshould (?:read|say|be)\b[^\"\u201c]{0,20}$", re.IGNORECASE)


class Part(NamedTuple):
    """A stretch of the text that states something, and how much it counts."""

    start: int
    end: int
    rank: int


def read_parts(report: str) -> list[Part]:
    """Return what of a report is read, in text order; nothing for a text that is none."""
    if is_blank(report):
        return []
    blocks = outline(report)
    final = final_stretches(report, blocks)
    lowered = report.lower()
    numbered = (":" in lowered or " 1" in lowered or "#" in lowered) and _NUMBERED.search(lowered)
    if not numbered and not any(map(lowered.__contains__, _SIGNS)):
        return [Part(start, end, FINAL) for start, end in final]
    stretches = sorted({*final} | {(block.start, block.end) for block in blocks if _more(report, block)})
    parts = [part for start, end in _apart(stretches) for part in _ranked(report, start, end, blocks)]
    parts = [_correcting(report, part) for part in _without_unsaid(report, parts)]
    return [piece for part in parts for piece in _unquoted(report, part)]


def _correcting(report: str, part: Part) -> Part:
    """Raise the rank of an addendum that says that something was wrong."""
    wrong = part.rank >= REVISED and _WRONG.search(report, part.start, part.end)
    return part._replace(rank=CORRECTING) if wrong else part


def _apart(stretches: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Leave out stretches that lie in one before them."""
    reached = 0
    for start, end in stretches:
        if end > reached:
            yield max(start, reached), end
            reached = end


def _more(report: str, block: Block) -> bool:
    """Return whether a block is read beside the final reading: an addendum, another read, another examination."""
    if block.name in {SectionName.ADDENDUM, SectionName.WET_READ}:
        return True
    label = _LABEL.match(report, block.header)
    numbered = label is not None and block.name in {SectionName.OTHER, SectionName.EXAMINATION}
    return numbered and len(_WORD.findall(report, block.start, block.end)) >= 3


def _ranked(report: str, start: int, end: int, blocks: tuple[Block, ...]) -> Iterator[Part]:
    """Cut a stretch where a line or a sentence says that another read or examination begins."""
    at = bisect_right(blocks, start, key=lambda block: block.start) - 1
    rank = FINAL
    if at >= 0:
        label = _LABEL.match(report, blocks[at].header)
        rank = _rank(label, at) if label and blocks[at].name is not SectionName.IMPRESSION else FINAL
        rank = {SectionName.ADDENDUM: ADDED, SectionName.WET_READ: EARLIER}.get(blocks[at].name, rank)
    begin = start
    marks = [*_LABEL.finditer(report, start, end), *_INLINE.finditer(report, start, end)]
    for number, mark in enumerate(sorted(marks, key=lambda each: each.start()), start=at + 1):
        if begin < mark.start():
            yield Part(begin, mark.start(), rank)
        begin, rank = mark.end(), _rank(mark, number)
    if begin < end:
        yield Part(begin, end, rank)


def _rank(mark: re.Match[str], number: int) -> int:
    """Return how much what follows a mark counts; examinations in the order in which they come."""
    kind = mark.lastgroup
    if kind == "exam":
        return FINAL + number
    return {"earlier": EARLIER, "original": ORIGINAL, "revised": REVISED}.get(kind or "", ADDED)


def _without_unsaid(report: str, parts: list[Part]) -> list[Part]:
    """Leave out a wet read that the final read does not take up, unless there is nothing else."""
    later = [part for part in parts if part.rank > EARLIER]
    taken_up = any(_AGREES.search(report, part.start, part.end) for part in later)
    return parts if taken_up or not later else later


def _unquoted(report: str, part: Part) -> Iterator[Part]:
    """Leave out what a part only quotes from an earlier one."""
    begin = part.start
    for match in _QUOTED.finditer(report, part.start, part.end):
        if _CORRECT.search(report, max(part.start, match.start() - 30), match.start() + 4):
            continue
        yield part._replace(start=begin, end=match.start())
        begin = match.end()
    yield part._replace(start=begin)
