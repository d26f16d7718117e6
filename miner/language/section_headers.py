"""Which words before a colon are a section header, and of which section."""

import re
from collections.abc import Mapping
from enum import Enum, StrEnum
from functools import cache, lru_cache
from typing import NamedTuple

from cxr.miner.pack import PackError, pack


class SectionName(StrEnum):
    """The canonical parts of a report; the values are what the store and the Section model hold."""

    PREAMBLE = "preamble"
    """Titles and dates before the first header ("FINAL REPORT")."""
    EXAMINATION = "examination"
    INDICATION = "indication"
    HISTORY = "history"
    COMPARISON = "comparison"
    TECHNIQUE = "technique"
    NARRATIVE = "narrative"
    """CheXpert Plus: the title of the examination, seldom the findings."""
    FINDINGS = "findings"
    IMPRESSION = "impression"
    FINDINGS_AND_IMPRESSION = "findings_and_impression"
    """One section under a joint header; the public parser files it under impression."""
    LAST_PARAGRAPH = "last_paragraph"
    """Where neither findings nor impression has a header: what follows the first paragraph of the last part."""
    FULL_REPORT = "full_report"
    """The whole text where it has no header at all."""
    RECOMMENDATIONS = "recommendations"
    NOTIFICATION = "notification"
    """Who was told what and when; it repeats findings, it makes none."""
    WET_READ = "wet_read"
    """A preliminary read (also PFI): the final read may contradict it."""
    ADDENDUM = "addendum"
    SUMMARY = "summary"
    """CheXpert Plus: the summary code after the impression."""
    END_OF_IMPRESSION = "end_of_impression"
    """CheXpert Plus: the sign-off after the impression."""
    OTHER = "other"
    """A header that is none of the above (accession number, signatures, radiation dose)."""


class HeaderRole(Enum):
    """Headers that name no section by themselves."""

    VIEW = "view"
    """Names the examination ("TWO VIEWS:"): findings if prose follows, else examination."""
    INSIDE = "inside"
    """A heading inside findings ("DEVICES:")."""
    UNKNOWN = "unknown"
    """All capitals and a colon, meaning unknown."""
    FINAL = "final"
    """The title of the final read."""


Header = SectionName | HeaderRole

READINGS = (SectionName.FINDINGS, SectionName.IMPRESSION, SectionName.FINDINGS_AND_IMPRESSION)

MAX_HEADER = 80
"""Characters: longer text before a colon is a sentence (MIMIC lines are wrapped at 79)."""


_NOT_A_LETTER = re.compile(r"[^a-z/&]+")
_MIT_LIKE = re.compile(r"[A-Z ()/,&.'#0-9_:-]+\Z")
_ORDINAL = re.compile(r"\A[\s>*#•-]*(?:\d{1,2}[.)]\s+)?")


def _key(header: str) -> str:
    """Return the header in lower case with one blank between words and nothing but letters, / and &."""
    return _NOT_A_LETTER.sub(" ", header.lower()).replace(" /", "/").replace("/ ", "/").strip()


class _Lists(NamedTuple):
    exact: Mapping[str, SectionName]
    in_line: Mapping[str, SectionName]
    """Headers that may stand in the middle of a line; the rest ("report:", "date:", "plan:") is too common in prose."""
    last_words: frozenset[str]
    """The words that these end in."""
    inside: frozenset[str]
    inside_words: frozenset[str]
    view_words: frozenset[str]


@cache
def _lists() -> _Lists:
    """Return the pack's headers; raises PackError for a section that there is not."""
    data = pack().section_headers
    if unknown := next((name for name in data.exact if name not in set(SectionName)), None):
        names = ", ".join(SectionName)
        raise PackError(
            f"the pack {pack().name}: section_headers.toml: exact.{unknown} is no section; use one of {names}"
        )
    exact = {_key(header): SectionName(name) for name, headers in data.exact.items() for header in headers}
    common = {_key(header) for header in data.not_in_line}
    in_line = {key: name for key, name in exact.items() if name not in _NEVER_IN_LINE and key not in common}
    inside = frozenset(_key(header) for header in data.inside.exact)
    last_words = frozenset(key.replace("/", " ").split()[-1] for key in in_line if key.strip("/"))
    return _Lists(exact, in_line, last_words, inside, frozenset(data.inside.words), frozenset(data.views.words))


_NEVER_IN_LINE = frozenset({SectionName.OTHER, SectionName.NOTIFICATION, SectionName.NARRATIVE})
_STRONG = frozenset({"findings", "impression", "indication", "comparison", "technique", "conclusion"})
_LONGEST_IN_LINE = 5  # words

_CONTAINED = (
    ("impression", SectionName.IMPRESSION),
    ("findings", SectionName.FINDINGS),
    ("history", SectionName.HISTORY),
    ("comparison", SectionName.COMPARISON),
    ("addendum", SectionName.ADDENDUM),
)


@lru_cache(maxsize=65_536)
def line_header(raw: str) -> Header | None:
    """Return what the text between a line's start and its colon introduces; None where it is prose.

    Capitals are trusted most: an all-capitals header may merely contain a known name (as in the public parser),
    name a view, or be unknown. A capitalised or lower-case one has to be a known header as a whole.
    """
    header = _ORDINAL.sub("", raw).strip()
    key = _key(header)
    if not key or len(header) > MAX_HEADER:
        return None
    lists = _lists()
    if key in lists.inside:
        return HeaderRole.INSIDE
    if key == "final report":
        return HeaderRole.FINAL
    if header == header.upper():
        return lists.exact.get(key) or _capitals_header(header, key)
    return lists.exact.get(key) or _capitalised_header(header, key)


def _capitalised_header(header: str, key: str) -> Header | None:
    """Accept "Other findings", "Final impression"."""
    words = key.split()
    named = header[:1].isupper() and 2 <= len(words) <= 3 and words[-1] in ("findings", "impression")
    return SectionName(words[-1]) if named and words[0] not in ("no", "the", "these", "all") else None


def _capitals_header(header: str, key: str) -> Header | None:
    words = key.replace("/", " ").split()
    if not words or not _MIT_LIKE.match(header):
        return None
    if key.startswith(("wet read", "provisional findings", "preliminary")):
        return SectionName.WET_READ
    contained = [] if words[0] in ("no", "the", "these") else [name for part, name in _CONTAINED if part in key]
    if contained:
        joint = contained[:2] == [SectionName.IMPRESSION, SectionName.FINDINGS]
        return SectionName.FINDINGS_AND_IMPRESSION if joint else contained[0]
    return _role(words)


def _role(words: list[str]) -> HeaderRole | None:
    if not _lists().view_words.isdisjoint(words):
        return HeaderRole.VIEW
    if not _lists().inside_words.isdisjoint(words):
        return HeaderRole.INSIDE
    return HeaderRole.UNKNOWN if len(words) <= 4 else None


def names_examination(line: str) -> bool:
    """Return whether a line in capitals names the examination, the report or a section, as a title does."""
    words = _key(line).replace("/", " ").split()
    return bool(words) and (words[0] in _lists().exact or not {*_lists().view_words, "report"}.isdisjoint(words))


def in_line_header(window: str, *, shouting: bool) -> tuple[int, SectionName] | None:
    """Find a known header at the end of `window`, the text between a boundary and a colon inside a line.

    Returns where it begins in the window and its name. `shouting` says that the whole report is in capitals,
    in which case capitals alone prove nothing.
    """
    tokens = window.split()
    if not tokens:
        return None
    if not _may_end_header(tokens[-1]):
        return None
    for count in range(min(_LONGEST_IN_LINE, len(tokens)), 0, -1):
        phrase = tokens[-count:]
        if not phrase[0][:1].isalpha():
            continue  # "___ FINDINGS": the blank belongs to the section before
        name = _lists().in_line.get(_key(" ".join(phrase)))
        if name is None:
            continue
        begin = _start_of_last(window, phrase)
        if _is_header(" ".join(phrase), window[:begin], shouting=shouting):
            return begin, name
    return None


@lru_cache(maxsize=16_384)
def _may_end_header(token: str) -> bool:
    """Return whether a header inside a line may end in a word: most words before a colon are of a sentence."""
    words = _key(token).replace("/", " ").split()
    return not words or words[-1] in _lists().last_words


def _start_of_last(window: str, phrase: list[str]) -> int:
    position = len(window)
    for token in reversed(phrase):
        position = window.rindex(token, 0, position)
    return position


def _is_header(phrase: str, before: str, *, shouting: bool) -> bool:
    """Weigh the capitals of a phrase and what stands before it."""
    previous = before.rsplit(maxsplit=1)[-1] if before.strip() else ""
    gap = len(before) - len(before.rstrip())
    starts_sentence = not previous or previous[-1] in ".?!:;)]_*" or gap >= 2 or "\n" in before[-gap:]
    starts_sentence = starts_sentence or previous in ("REPORT", "report", "Report") or set(previous) == {"X"}
    strong = _key(phrase) in _STRONG
    if phrase == phrase.upper():
        return starts_sentence or not shouting or (strong and phrase != "FINDINGS")
    if phrase[0].isupper():
        return starts_sentence or (strong and previous[:1].islower())
    return strong and bool(previous) and previous[-1] in ".?!"
