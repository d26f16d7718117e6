"""Finding a quote in a report: verbatim up to whitespace, case and typography, or not at all.

A quote has to consist of whole words of the report. Without that rule "normal" would be found in "abnormal" and
"specific" in "non-specific", which turns the meaning round.
"""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from cxr.schemas.text import Quote

# As many as one reads; a finding that a report repeats in every sentence is not better supported for it.
MOST_QUOTES = 4

# The same sign in other typefaces; what a model writes for what a report system exported, or the other way round.
_TYPOGRAPHY = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    "\u2026": "...",
}
# Signs without width that PDF and HTML exports leave inside words.
_INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")
# Stands where a word begins or ends, so that one search finds whole words only; no report contains it once folded.
_EDGE = "\x00"

# Where what is said before no longer governs what follows.
_CLAUSE_END = re.compile(
    r"[.;:!?](?=[\"')\]}>*\u2019\u201d\u00bb]*(?:\s|$))|(?<=[a-z]):(?=[a-z]|$)"
    r"|\n\s*\n|\b(?:but|however|although|though)\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"\b(?:no|not|without|never|nor|neither|free of|absence of|negative for)\b", re.IGNORECASE)
# A negation further away than this is in another sentence, whatever the punctuation.
_LONGEST_CLAUSE = 300


_RUN = re.compile(r"[a-z0-9]+")


class _Folded(NamedTuple):
    """A text reduced to what quotes are compared by, and where each of its characters came from."""

    text: str
    origin: tuple[int, ...]


# A quote is looked up by the check of a reply, by what is made of it, and by the check of the whole.
@lru_cache(maxsize=64)
def locate(words: str, report_text: str) -> Quote | None:
    """Return the first place where the report says these words, with the report's own spelling and offsets.

    None if the report does not say them, or if there is no letter or digit in them. Takes time linear in both lengths.
    """
    needle = _fold(words.strip()).text
    if not any(character.isalnum() for character in needle):
        return None
    if report_text.isascii() and not _may_say(words, report_text):
        return None
    report = _fold_report(report_text)
    at = report.text.find(needle)
    if at < 0:
        return None
    # The outermost characters of the needle may be word edges, which have no length in the report.
    inner = [report.origin[i] for i in range(at, at + len(needle)) if report.text[i] != _EDGE]
    start, end = inner[0], inner[-1] + 1
    return Quote(start=start, end=end, text=report_text[start:end])


def _may_say(words: str, report_text: str) -> bool:
    """Return whether all letters and digits of the words are somewhere in a plain text, where folding costs more."""
    lower = report_text.lower()
    return all(run in lower for run in _RUN.findall(words.lower()))


def leaves_out_negation(quote: Quote, report_text: str) -> bool:
    """Return whether a negation stands before a quote in its clause: "X" cut out of "no X".

    A hint to quote more, not a judgement: "no change in the small X" has one too.
    """
    before = report_text[max(0, quote.start - _LONGEST_CLAUSE) : quote.start]
    *_, clause = _CLAUSE_END.split(before)
    return _NEGATION.search(clause) is not None


def _fold(text: str) -> _Folded:
    """Fold case and typography, make each run of whitespace one blank, and mark the edges of words."""
    characters: list[str] = []
    origin: list[int] = []
    in_word = False
    for position, character in enumerate(text):
        if character in _INVISIBLE:
            continue
        is_space = character.isspace() or character == _EDGE
        if is_space and characters[-1:] == [" "]:
            continue
        folded = " " if is_space else _TYPOGRAPHY.get(character, character.casefold())
        for part in folded:
            if _belongs_to_word(part, text, position) != in_word:
                in_word = not in_word
                characters.append(_EDGE)
                origin.append(position)
            characters.append(part)
            origin.append(position)
    if in_word:
        characters.append(_EDGE)
        origin.append(len(text) - 1)
    return _Folded("".join(characters), tuple(origin))


def _belongs_to_word(folded: str, text: str, position: int) -> bool:
    """Return whether a sign is part of a word or number.

    A hyphen inside a word and a point inside a number are: "specific" is not a word of "non-specific", nor is "5 cm" a
    part of "3.5 cm".
    """
    if folded.isalnum() or unicodedata.combining(folded):
        return True
    if not 0 < position < len(text) - 1:
        return False
    before, after = text[position - 1], text[position + 1]
    if folded == "-":
        return before.isalnum() and after.isalnum()
    return folded in ".," and before.isdecimal() and after.isdecimal()


@lru_cache(maxsize=32)
def _fold_report(report_text: str) -> _Folded:
    """Fold a report once for all quotes of a question."""
    return _fold(report_text)
