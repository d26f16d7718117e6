"""Sections of a radiology report, with offsets into the text as it was written.

Reads the layout of MIMIC-CXR (wrapped lines, wet reads, addenda), of CheXpert Plus (NARRATIVE, capitals, literal
two-character newlines) and of OpenI and hand-made CSVs (one line, headers in the middle). `outline` tiles the text:
every character belongs to exactly one block, so no text is lost. Linear in the length of the text; never raises.

Differences to the public MIMIC-CXR section parser (MIT-LCP/mimic-code, mimic-iv-cxr/txt) are explained case by case
in docs/sections.md.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cxr.miner.language.residues import readable
from cxr.miner.language.section_headers import MAX_HEADER, READINGS, HeaderRole, SectionName, names_examination
from cxr.miner.language.section_marks import Mark, begins_paragraph, find_marks
from cxr.schemas.text import Section, Span

__all__ = ["ASSERTIVE", "Block", "SectionName", "final_text_spans", "outline", "parse_sections", "trimmed"]

ASSERTIVE: frozenset[str] = frozenset(
    {*READINGS, SectionName.LAST_PARAGRAPH, SectionName.FULL_REPORT}
)  # fmt: skip
"""Sections that state what the radiologist finally read on the image."""

_FINDINGS = frozenset({SectionName.FINDINGS, SectionName.FINDINGS_AND_IMPRESSION})
# A reading without a header hides behind one of these (formats.md 1.1, number 6 and 7).
_CONTEXT = frozenset(
    {
        SectionName.PREAMBLE, SectionName.EXAMINATION, SectionName.INDICATION, SectionName.HISTORY,
        SectionName.COMPARISON, SectionName.TECHNIQUE, SectionName.NARRATIVE, SectionName.OTHER,
    }
)  # fmt: skip


class Block(NamedTuple):
    """A part of the text: its header is `text[header:start]` (may be empty), its body `text[start:end]`."""

    name: SectionName
    header: int
    start: int
    end: int


class _Part(NamedTuple):
    """A stretch between separator lines or report titles; `cut` is where its own text begins."""

    begin: int
    cut: int
    end: int
    final: bool
    """It stands under a FINAL REPORT title."""
    rule_follows: bool = False
    title_follows: bool = False
    """A FINAL REPORT title comes later in the text."""


_NARRATIVE = 20
"""Words: a shorter narrative is the title of the examination."""
_PARAGRAPH = re.compile(r"\n[ \t\r]*\n")
_REASONS = frozenset({SectionName.INDICATION, SectionName.HISTORY})
_SHORT_LINE = re.compile(r"(?<=\S)[ \t]*\n(?=[A-Z])")
_FULL_STOP = re.compile(r"[.?] +(?=[A-Z])")
_READING = 8
"""Words: fewer behind a line or a sentence are more context."""
_WORD = re.compile(r"[A-Za-z]{2,}")
_CAPITALS_LINE = re.compile(r"[^a-z\n]*\Z")


def parse_sections(text: str) -> tuple[Section, ...]:
    """Return the non-empty sections in text order, bodies without surrounding blanks; empty for a blank text.

    A name occurs more than once where the report has the section more than once (two examinations).
    """
    return tuple(Section(name=str(name), start=start, end=end) for name, start, end in trimmed(text))


def final_text_spans(text: str) -> tuple[Span, ...]:
    """Return the spans that state what the radiologist finally read, in text order; empty for a blank text.

    These are findings and impression of the final report; without them the last paragraph, without that the
    comparison (some radiologists report under it), without that the last section that holds prose, and at last
    everything. Wet reads and addenda are left out unless the text consists of them.
    """
    return tuple(Span(start=start, end=end) for start, end in _final_spans(text, trimmed(text)))


def final_stretches(text: str, blocks: Iterable[Block]) -> list[tuple[int, int]]:
    """Return `final_text_spans` of a text whose outline is known, for bulk work, without models."""
    return _final_spans(text, trimmed(text, blocks))


def trimmed(text: str, blocks: Iterable[Block] | None = None) -> list[tuple[SectionName, int, int]]:
    """Return (name, start, end) of each non-empty section: `parse_sections` for bulk work, without models."""
    found = []
    for block in outline(text) if blocks is None else blocks:
        start, end = _trim(text, block.start, block.end)
        if start < end:
            found.append((block.name, start, end))
    return found


def outline(text: str) -> tuple[Block, ...]:
    """Tile the text with blocks: each begins where the one before ends, the first at 0, the last ends the text."""
    plain = readable(text)
    if not plain.pieces or not plain.text:  # as it is, or nothing but what other programs left in it
        return _outline(text)
    blocks = _outline(plain.text)
    begins = [0, *(plain.place(block.header) for block in blocks[1:]), len(text)]
    return tuple(
        Block(block.name, begin, max(begin, plain.place(block.start)), end)
        for block, begin, end in zip(blocks, begins, begins[1:], strict=False)
    )


def _outline(text: str) -> tuple[Block, ...]:
    if not text:
        return ()
    marks, rules = find_marks(text)
    parts = _parts(text, rules)
    begins = [mark.begin for mark in marks]
    blocks: list[Block] = []
    for part in parts:
        own = marks[bisect_left(begins, part.cut) : bisect_left(begins, part.end)]
        early = None if part.final or part is parts[-1] else _kind_of_early_part(text, part, own)
        blocks.extend(_blocks(text, part, own) if early is None else _early_blocks(text, part, own, early))
    return tuple(_name_the_reading(text, blocks))


# --- parts ---------------------------------------------------------------------------------------------------


def _parts(text: str, rules: list[Mark]) -> list[_Part]:
    """Cut the text at rules and titles; a rule and the title after it make one cut."""
    parts: list[_Part] = []
    last_title = max((rule.begin for rule in rules if rule.what is HeaderRole.FINAL), default=-1)
    begin, cut, final = 0, 0, False
    for rule in rules:
        is_title = rule.what is HeaderRole.FINAL
        if text[cut : rule.begin].strip():
            parts.append(_Part(begin, cut, rule.begin, final, not is_title, last_title >= rule.begin))
            begin, final = rule.begin, False
        # The title stays in the body of the preamble, as in the public parser; a rule belongs to no body.
        cut = rule.begin if is_title else rule.end
        final = final or is_title
    parts.append(_Part(begin, cut, len(text), final))
    return parts


def _kind_of_early_part(text: str, part: _Part, marks: list[Mark]) -> SectionName | None:
    """Return whether a part above a rule or title is a wet read or an addendum; None for a part of the report."""
    names = [mark.what for mark in marks]
    for name in (SectionName.WET_READ, SectionName.ADDENDUM):
        if name in names:
            return name
    if any(name in READINGS for name in names):
        return SectionName.WET_READ if part.title_follows else None
    if names or len(_WORD.findall(text, part.cut, part.end)) < 5:
        return None
    if part.rule_follows:
        return SectionName.ADDENDUM
    return SectionName.WET_READ if part.title_follows else None


def _early_blocks(text: str, part: _Part, marks: list[Mark], name: SectionName) -> list[Block]:
    """Keep a whole wet read or addendum together, with the headers that it has of its own."""
    first = next((mark for mark in marks if mark.what is name), None)
    if first is None:
        return [Block(name, part.begin, part.cut, part.end)]
    left, right = _trim(text, part.cut, first.begin)
    if left == right:
        return [Block(name, part.begin, first.end, part.end)]
    lead = Block(SectionName.PREAMBLE, part.begin, part.cut, first.begin)
    return [lead, Block(name, first.begin, first.end, part.end)]


def _blocks(text: str, part: _Part, marks: list[Mark]) -> Iterator[Block]:
    """Turn the headers of one part of the report into blocks."""
    name, header, start = SectionName.PREAMBLE, part.begin, part.cut
    seen_reading = False
    last_findings = max((m.begin for m in marks if m.what in _FINDINGS), default=-1)
    last_reading = max((m.begin for m in marks if m.what in READINGS), default=-1)
    for index, mark in enumerate(marks):
        end = marks[index + 1].begin if index + 1 < len(marks) else part.end
        around = _Around(name, seen_reading, end, last_findings > mark.begin, last_reading > mark.begin)
        target = _target(text, mark, around)
        if target is None:
            continue
        if mark.begin > header:
            yield Block(name, header, start, mark.begin)
        name, header = target, mark.begin
        # A heading inside findings stays in the body: "DEVICES: none" says more than "none".
        start = mark.begin if mark.what is HeaderRole.INSIDE else mark.end
        seen_reading = seen_reading or target in READINGS
    yield Block(name, header, start, part.end)


class _Around(NamedTuple):
    """Where a header stands."""

    current: SectionName
    after_reading: bool
    next_header: int
    findings_follow: bool
    reading_follows: bool


def _target(text: str, mark: Mark, around: _Around) -> SectionName | None:
    """Return the section that a header begins, or None where it stays inside the current one."""
    reading = around.current in READINGS
    if isinstance(mark.what, SectionName):
        aside = reading and mark.what in _CONTEXT and not around.findings_follow
        return None if aside and not _ends_sentence(text, mark.begin) else _named_target(mark.what, around)
    if mark.what is HeaderRole.INSIDE:
        stays = reading or around.current in (SectionName.WET_READ, SectionName.ADDENDUM)
        return None if stays else SectionName.FINDINGS
    if mark.what is HeaderRole.UNKNOWN:
        return None if reading else SectionName.OTHER
    return _view_target(text, mark, around)


def _ends_sentence(text: str, position: int) -> bool:
    """Return whether a header may stand here after findings: "Stable  Comparison: ..." goes on with the findings."""
    before = text[max(0, position - MAX_HEADER) : position].rstrip(" \t")
    return not before or before[-1] in "\n.?!:;_)" or before.endswith("\\n")


def _named_target(what: SectionName, around: _Around) -> SectionName | None:
    if what is SectionName.SUMMARY and not around.after_reading:
        return SectionName.IMPRESSION
    below = around.current is SectionName.ADDENDUM and around.after_reading
    # An addendum below the report keeps its own headers.
    return None if below and what is not SectionName.ADDENDUM else what


def _view_target(text: str, mark: Mark, around: _Around) -> SectionName | None:
    """Read a view header: findings where prose follows, a second examination after an impression."""
    if around.current in READINGS:
        second = around.current is not SectionName.FINDINGS and around.reading_follows
        if not (second and begins_paragraph(text, mark.begin)):
            return None
    prose = len(_WORD.findall(text, mark.end, min(around.next_header, mark.end + 400))) >= 5
    if around.current is SectionName.TECHNIQUE and not prose:
        return None
    return SectionName.FINDINGS if prose and not around.findings_follow else SectionName.EXAMINATION


# --- readings without a header ---------------------------------------------------------------------------------


def _name_the_reading(text: str, blocks: list[Block]) -> list[Block]:
    """Find the reading where no header announces it."""
    headed = any(block.name is not SectionName.PREAMBLE for block in blocks)
    if not headed:
        return _split_titles(text, blocks, SectionName.FULL_REPORT)
    if not any(block.name in READINGS and _has_words(text, block) for block in blocks):
        return _split_context(text, blocks, SectionName.LAST_PARAGRAPH, least_words=3)
    told = next((block for block in blocks if block.name in _FINDINGS), None)
    if told is not None:  # begun by a heading inside of them, they may have begun before it
        return blocks if told.start > told.header else _split_titles(text, blocks, SectionName.FINDINGS)
    blocks = [_told(text, block) for block in blocks]
    if any(block.name in _FINDINGS for block in blocks):
        return blocks
    titled = _split_titles(text, blocks, SectionName.FINDINGS)
    if len(titled) > len(blocks):
        return titled
    first = next(index for index, block in enumerate(titled) if block.name is SectionName.IMPRESSION)
    above = _split_context(text, titled[:first], SectionName.FINDINGS, least_words=8)
    return [*above, *titled[first:]]


def _told(text: str, block: Block) -> Block:
    """Take a narrative for the findings where it is more than the title of the examination."""
    body = text[block.start : block.end]
    tells = block.name is SectionName.NARRATIVE and len(_WORD.findall(body)) >= _NARRATIVE and body.count(". ") >= 1
    return block._replace(name=SectionName.FINDINGS) if tells else block


def _split_context(text: str, blocks: list[Block], name: SectionName, *, least_words: int) -> list[Block]:
    """Name what stands after the first paragraph of the last section that can hide a reading."""
    for index in range(len(blocks) - 1, -1, -1):
        block = blocks[index]
        cut = _first_part_end(text, block) if block.name in _CONTEXT else None
        if cut is not None and len(_WORD.findall(text, cut, block.end)) >= least_words:
            tail = Block(name, cut, cut, block.end)
            return [*blocks[:index], block._replace(end=cut), tail, *blocks[index + 1 :]]
    return blocks


def _has_words(text: str, block: Block) -> bool:
    return _says(text, block.start, block.end)


def _first_part_end(text: str, block: Block) -> int | None:
    """Return where the context ends: at a blank line, else at a short line, else at the first full stop.

    An indication and its reading may stand in one paragraph; what stands behind "Comparison:" is left together.
    """
    start, end = _trim(text, block.start, block.end)
    for sign in (_PARAGRAPH, _SHORT_LINE, _FULL_STOP) if block.name in _REASONS else (_PARAGRAPH,):
        match = sign.search(text, start, end)
        if match and (sign is _PARAGRAPH or len(_WORD.findall(text, match.end(), end)) >= _READING):
            return match.end()
    return None


def _split_titles(text: str, blocks: list[Block], name: SectionName) -> list[Block]:
    """Return the prose under the titles of each preamble its name: "FINAL REPORT" stays, sentences become a section."""
    result: list[Block] = []
    for block in blocks:
        cut = _end_of_titles(text, block)
        prose = block.name is SectionName.PREAMBLE and _is_prose(text[cut : block.end], whole=len(blocks) == 1)
        if not prose:
            result.append(block)
        elif text[block.start : cut].strip():
            result += [block._replace(end=cut), Block(name, cut, cut, block.end)]
        else:
            result.append(block._replace(name=name))
    return result


def _end_of_titles(text: str, block: Block) -> int:
    """Return where the lines in capitals at the top of a block end: those without a full stop are titles.

    Where every line is in capitals, a title is one that names the examination.
    """
    position = block.start
    shouting = text[block.start : block.end].isupper()
    while position < block.end:
        newline = text.find("\n", position, block.end)
        stop = block.end if newline < 0 else newline
        line = text[position:stop].strip()
        centred = text[position:stop].startswith(" " * 8)
        says = line.endswith(".") or not _CAPITALS_LINE.match(line) or (shouting and not names_examination(line))
        if line and says and not centred:
            break
        if newline < 0:
            return block.start if position == block.start else position
        position = newline + 1
    return position


def _is_prose(body: str, *, whole: bool) -> bool:
    words = _WORD.findall(body)
    return bool(words) if whole or body.isupper() else len(words) >= 3 and any(mark in body for mark in ".;[")


# --- the final read --------------------------------------------------------------------------------------------


def _final_spans(text: str, sections: list[tuple[SectionName, int, int]]) -> list[tuple[int, int]]:
    stated = [(start, end) for name, start, end in sections if name in ASSERTIVE and _says(text, start, end)]
    if stated:
        return stated
    for wanted in (frozenset({SectionName.COMPARISON}), _CONTEXT | {SectionName.RECOMMENDATIONS}):
        prose = [
            (start, end)
            for name, start, end in sections
            if name in wanted and len(_WORD.findall(text, start, end)) >= 5 and "." in text[start:end]
        ]
        if prose:
            return prose[-1:]
    rest = [(s, e) for name, s, e in sections if name not in (SectionName.WET_READ, SectionName.ADDENDUM)]
    return rest or [(start, end) for _, start, end in sections]


def _says(text: str, start: int, end: int) -> bool:
    return any(set(word.group().upper()) != {"X"} for word in _WORD.finditer(text, start, end))


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Shrink a stretch to what is not blank; a literal backslash-n at the end is blank too."""
    body = text[start:end]
    left = len(body) - len(body.lstrip())
    right = body.rstrip()
    while right.endswith("\\n"):
        right = right[:-2].rstrip()
    return (start + left, start + len(right)) if left < len(right) else (start, start)
