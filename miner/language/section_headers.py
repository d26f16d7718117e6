"""Which words before a colon are a section header, and of which section."""

import re
from enum import Enum, StrEnum
from functools import lru_cache
from typing import NamedTuple

from cxr.miner.pack import pack


class SectionName(StrEnum):
    """The canonical parts of a report; the values are what the store and the Section model hold."""

    PREAMBLE = "preamble"
    """Titles and dates before the first header ("FINAL REPORT", "CHEST RADIOGRAPH")."""
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
    """Names the examination ("CHEST, PA AND LATERAL:"): findings if prose follows, else examination."""
    INSIDE = "inside"
    """A heading inside findings ("LUNGS:")."""
    UNKNOWN = "unknown"
    """All capitals and a colon, meaning unknown."""
    FINAL = "final"
    """The title of the final read."""


Header = SectionName | HeaderRole

READINGS = (SectionName.FINDINGS, SectionName.IMPRESSION, SectionName.FINDINGS_AND_IMPRESSION)

MAX_HEADER = 80
"""Characters: longer text before a colon is a sentence (MIMIC lines are wrapped at 79)."""


class _Lists(NamedTuple):
    exact: dict[str, SectionName]
    inside: frozenset[str]
    inside_words: frozenset[str]
    view_words: frozenset[str]


def _load() -> _Lists:
    data = pack().table("section_headers.toml")
    exact = {_key(header): SectionName(name) for name, headers in data["exact"].items() for header in headers}
    inside = frozenset(_key(header) for header in data["inside"]["exact"])
    return _Lists(exact, inside, frozenset(data["inside"]["words"]), frozenset(data["views"]["words"]))


_NOT_A_LETTER = re.compile(r"[^a-z/&]+")
_MIT_LIKE = re.compile(r"[A-Z ()/,&.'#0-9_:-]+\Z")
_ORDINAL = re.compile(r"\A[\s>*#•-]*(?:\d{1,2}[.)]\s+)?")


def _key(header: str) -> str:
    """Return the header in lower case with one blank between words and nothing but letters, / and &."""
    return _NOT_A_LETTER.sub(" ", header.lower()).replace(" /", "/").replace("/ ", "/").strip()


_LISTS = _load()

# Headers that may stand in the middle of a line. The rest ("report:", "date:", "plan:") is too common in prose.
_IN_LINE = {
    key: name
    for key, name in _LISTS.exact.items()
    if name not in {SectionName.OTHER, SectionName.NOTIFICATION, SectionName.NARRATIVE}
    and key
    not in {
        "report", "results", "description", "body", "observations", "body of report", "imp", "diagnosis",
        "interpretation", "assessment", "reason", "question", "hx", "pmh", "symptoms", "reference", "prior",
        "priors", "compare", "correlation", "views", "view", "procedure", "procedures", "protocol", "study",
        "studies", "exam", "exams", "title", "modality", "recommend", "follow up", "followup", "suggestion",
        "suggestions", "advice", "plan", "preliminary", "summary", "projection", "projections", "finding",
        "compared to", "comparison to", "opinion", "prior study", "prior exam", "previous study", "previous exam",
    }
}  # fmt: skip
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
    if key in _LISTS.inside:
        return HeaderRole.INSIDE
    if key == "final report":
        return HeaderRole.FINAL
    if header == header.upper():
        return _LISTS.exact.get(key) or _capitals_header(header, key)
    return _LISTS.exact.get(key) or _capitalised_header(header, key)


def _capitalised_header(header: str, key: str) -> Header | None:
    """Accept "Chest findings", "Final impression"."""
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
    if any(word in _LISTS.view_words for word in words):
        return HeaderRole.VIEW
    if any(word in _LISTS.inside_words for word in words):
        return HeaderRole.INSIDE
    return HeaderRole.UNKNOWN if len(words) <= 4 else None


def in_line_header(window: str, *, shouting: bool) -> tuple[int, SectionName] | None:
    """Find a known header at the end of `window`, the text between a boundary and a colon inside a line.

    Returns where it begins in the window and its name. `shouting` says that the whole report is in capitals,
    in which case capitals alone prove nothing.
    """
    tokens = window.split()
    if not tokens:
        return None
    for count in range(min(_LONGEST_IN_LINE, len(tokens)), 0, -1):
        phrase = tokens[-count:]
        if not phrase[0][:1].isalpha():
            continue  # "___ FINDINGS": the blank belongs to the section before
        name = _IN_LINE.get(_key(" ".join(phrase)))
        if name is None:
            continue
        begin = _start_of_last(window, phrase)
        if _is_header(" ".join(phrase), window[:begin], shouting=shouting):
            return begin, name
    return None


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
