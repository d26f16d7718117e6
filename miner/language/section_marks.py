"""Where the headers, rules and titles of a report are."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from cxr.miner.language.section_headers import MAX_HEADER, Header, HeaderRole, SectionName, in_line_header, line_header


class Mark(NamedTuple):
    """Something that may begin a block."""

    begin: int
    end: int
    what: Header


_LINE_MARK = re.compile(
    r"^[ \t]*(?:(?P<rule>_{5,}|[-=*]{10,})"
    r"|(?P<final>FINAL (?:REPORT|READ|INTERPRETATION))"
    r"|(?P<title>WET ?READ|PRELIMINARY (?:REPORT|READ|INTERPRETATION)|(?:LATE )?ADDENDUM(?: (?:BEGINS|\#?\d+))?"
    r"|FINDINGS|IMPRESSION|FINDINGS AND IMPRESSION|INDICATION|COMPARISON|TECHNIQUE|HISTORY|CLINICAL HISTORY"
    r"|END OF IMPRESSION|CONCLUSION|Findings|Impression|RECOMMENDATIONS?))[ \t\r]*$",
    re.MULTILINE,
)
_DASHED = re.compile(
    r"^[ \t]*(?P<title>FINDINGS|IMPRESSION|INDICATION|COMPARISON|TECHNIQUE|HISTORY|CONCLUSION|ADDENDUM)"
    r"[ \t]+[-\u2013\u2014][ \t]+",
    re.MULTILINE,
)


def find_marks(text: str) -> tuple[list[Mark], list[Mark]]:
    """Find headers, and apart from them the rules and report titles that divide the text into parts."""
    marks = list(_colon_marks(text))
    rules: list[Mark] = []
    for match in _LINE_MARK.finditer(text) if "\n" in text else filter(None, [_LINE_MARK.match(text)]):
        if match["rule"] or match["final"]:
            what = HeaderRole.FINAL if match["final"] else SectionName.OTHER
            rules.append(Mark(match.start(), match.end(), what))
        elif begins_paragraph(text, match.start()):
            marks.extend(_titled(match))
    if "- " in text or "\u2013 " in text or "\u2014 " in text:
        for match in _DASHED.finditer(text):
            marks.extend(_titled(match))
    marks.sort()
    rules.extend(mark for mark in marks if mark.what is HeaderRole.FINAL)
    rules.sort()
    marks = [mark for mark in marks if mark.what is not HeaderRole.FINAL]
    return marks, rules


def _titled(match: re.Match[str]) -> list[Mark]:
    what = line_header(match["title"])
    return [] if what is None else [Mark(match.start("title"), match.end(), what)]


def begins_paragraph(text: str, position: int) -> bool:
    """Return whether the line before ended a sentence: FINDINGS after a line that ends in "no acute" is prose."""
    before = text[max(0, position - 100) : position].rstrip()
    return not before or before[-1] in ".?!:;_)" or before.endswith("REPORT") or _blank_line(text, position)


def _blank_line(text: str, position: int) -> bool:
    line_before = text.rfind("\n", max(0, position - 100), max(0, position - 1))
    return line_before >= 0 and not text[line_before:position].strip()


def _colon_marks(text: str) -> Iterator[Mark]:
    shouting = text.isupper()
    floor = 0  # where the header before ended
    colon = text.find(":")
    while colon >= 0:
        if not _inside_a_time(text, colon):
            low = max(floor, colon - MAX_HEADER)
            line, at_line_start = _line_start(text, low, colon)
            mark = _mark_before(text, line, colon, at_line_start=at_line_start, shouting=shouting)
            if mark is not None:
                yield mark
                floor = mark.end
        colon = text.find(":", colon + 1)


def _inside_a_time(text: str, colon: int) -> bool:
    return text[colon - 1 : colon].isdigit() and text[colon + 1 : colon + 2].isdigit()


def _line_start(text: str, low: int, colon: int) -> tuple[int, bool]:
    """Return where the line of the colon begins, not before `low`, and whether a line begins there.

    CheXpert Plus writes some newlines as a backslash and an n.
    """
    newline = text.rfind("\n", low, colon) + 1
    literal = text.rfind("\\n", low, colon)
    best = max(newline, literal + 2 if literal >= 0 else 0)
    if best:
        return best, True
    return low, low == 0 or text[low - 1] == "\n"


def _mark_before(text: str, line: int, colon: int, *, at_line_start: bool, shouting: bool) -> Mark | None:
    window = text[line:colon]
    what = line_header(window) if at_line_start else None
    if window.lstrip()[:1].islower() and not begins_paragraph(text, line):
        what = None  # a wrapped sentence
    if what is None or what is HeaderRole.UNKNOWN:
        found = in_line_header(window, shouting=shouting)
        if found is not None:
            return Mark(line + found[0], colon + 1, found[1])
    return None if what is None else Mark(line + len(window) - len(window.lstrip()), colon + 1, what)
