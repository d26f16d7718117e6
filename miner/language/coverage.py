"""How much of a report was read: the share of its words for findings, and the phrases that could be one and were not.

No dictionary knows every finding. A word is taken for the name of one where it is neither in the lexicon nor among the
ordinary words of the pack, and where it asserts something: it is not denied, not hedged (then it explains a sign that
was read), says nothing of the past or of a plan, and does not merely qualify a finding behind it ("compressive
X"). So is a word of the lexicon for a finding that nothing was made of, and an adjective that makes a finding of the
structure beside it. Linear, and cached by sentence: corpora repeat themselves.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from cxr.miner.language.analysis import analyse_report, tells_of_patient
from cxr.miner.language.items import Items, asks_or_names, read_items
from cxr.miner.language.lexicon import Role, load_lexicon
from cxr.miner.language.reader import read_sentence
from cxr.miner.language.readings import Reading
from cxr.miner.language.scopes import Scopes, read_scopes
from cxr.miner.language.structures import state_concept
from cxr.miner.language.tokens import fold, fold_compound, lowered
from cxr.miner.pack import pack

CONCEPT, PART, STATE, COLON = int(Role.CONCEPT), int(Role.PART), int(Role.STATE), int(Role.COLON)
_QUALIFIES = PART | int(Role.SEVERITY | Role.SIDE | Role.NUMBER | Role.CHANGE)
_ENDS = int(Role.COMMA | Role.BREAK | Role.WITH | Role.COLON | Role.CONJUNCTION)
_NAMES = CONCEPT | int(Role.CONJUNCTION | Role.COMMA)
_UNKNOWN = ("",)
_SUFFIXES = (
    ("ed", ""), ("ed", "e"), ("ied", "y"), ("d", ""), ("ing", ""), ("ing", "e"), ("ly", ""), ("ily", "y"), ("ally", ""),
    ("er", ""), ("er", "e"), ("est", ""), ("est", "e"), ("'s", ""),
)  # fmt: skip
"""How English bends a word, and what stands in its place in a list of words."""

_WORDS = re.compile(r"[^\W\d_]+(?:['\u2019][a-z]+)?")
_WHY = frozenset({"for", "from", "in"})

LEAST_SHARE = 0.9
"""A report of which less was read is not understood."""


class Unread(NamedTuple):
    """A phrase that could be a finding and was not read; `[start, end)` in the report."""

    start: int
    end: int
    phrase: str
    """Its words, folded as the lexicon folds them."""
    words: int
    """How many of its words could carry a finding."""
    asserted: bool
    """It could be there: it is neither denied nor hedged, and qualifies no finding that was read."""
    region: str | None
    """The region of the structure that is named nearest in its part of the sentence."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a report was read."""

    share: float
    """Of the words that carry a finding, or assert one that nobody knows, how many were read; 0 of none."""
    unread: tuple[Unread, ...]
    """In text order; those that are denied, hedged or only qualify count for nothing in the share."""

    @property
    def understood(self) -> bool:
        """Whether enough was read to take the report's silence on a finding for its absence."""
        return self.share >= LEAST_SHARE

    def row(self) -> dict[str, object]:
        """Return it as the store keeps it."""
        unread = [
            {
                "start": each.start,
                "end": each.end,
                "phrase": each.phrase,
                "asserted": each.asserted,
                "region": each.region,
            }
            for each in self.unread
        ]
        return {"share": self.share, "understood": self.understood, "unread": unread}


@lru_cache(maxsize=1024)
def coverage(report: str) -> Coverage:
    """Return how much of what a report states in the end was read."""
    analysis = analyse_report(report)
    spans: dict[int, list[tuple[int, int]]] = {}
    for mention in analysis.mentions:
        spans.setdefault(mention.sentence, []).append((mention.clause_start, mention.clause_end))
    unread: list[Unread] = []
    for number, (begin, stop) in enumerate(analysis.cuts):
        for each in unread_in(report[begin:stop]):
            start, end = each.start + begin, each.end + begin
            if not any(first <= start and end <= last for first, last in spans.get(number, ())):
                unread.append(each._replace(start=start, end=end))
    missed = sum(each.words for each in unread if each.asserted)
    read = len(analysis.mentions)
    if not (read or missed) and any(_calls_normal(report[begin:stop]) for begin, stop in analysis.cuts):
        return Coverage(share=1.0, unread=tuple(unread))
    return Coverage(share=read / (read + missed) if read else 0.0, unread=tuple(unread))


def _calls_normal(sentence: str) -> bool:
    """Return whether a sentence says no more than that all is normal."""
    return any(entry.state is not None and entry.state.normal for entry in read_items(sentence).entries)


@lru_cache(maxsize=32_768)
def unread_in(sentence: str) -> tuple[Unread, ...]:
    """Return the phrases of a sentence that could be a finding and were not read; offsets are in the sentence."""
    if tells_of_patient(sentence) or asks_or_names(sentence):
        return ()
    readings = read_sentence(sentence).readings
    if all(_is_read(match, readings) for match in _WORDS.finditer(lowered(sentence))):
        return ()
    items = read_items(sentence)
    words = [_word(sentence, start, end) for start, end in zip(items.starts, items.ends, strict=True)]
    found = [at for at in range(len(words)) if _could_be(items, words, at, readings)]
    if not found:
        return ()
    return tuple(_phrases(items, words, found, readings, read_scopes(items)))


def _word(sentence: str, start: int, end: int) -> str:
    """Return a word in lower case; nothing for one that goes on in digits, which is a code ("AB12")."""
    return "" if sentence[end : end + 1].isdigit() else lowered(sentence[start:end])


def _is_read(match: re.Match[str], readings: tuple[Reading, ...]) -> bool:
    """Return whether a written word needs no second look: it carries no finding, or it stands in what was read."""
    if _is_harmless(match.group()):
        return True
    return any(reading.clause_start <= match.start() < reading.clause_end for reading in readings)


@lru_cache(maxsize=50_000)
def _is_harmless(word: str) -> bool:
    entry = load_lexicon().entries.get(fold_compound(word))
    if entry is None:
        return is_ordinary(word)
    return not entry.roles & CONCEPT and (entry.state is None or entry.state.normal)


def _could_be(items: Items, words: list[str], at: int, readings: tuple[Reading, ...]) -> bool:
    """Return whether a word could be a finding: nobody knows it, or the lexicon knows it and nothing was made of it."""
    start = items.starts[at]
    if any(reading.clause_start <= start < reading.clause_end for reading in readings):
        return False
    if items.entries[at].phrase == _UNKNOWN:
        return not is_ordinary(words[at])
    state = items.entries[at].state
    return bool(items.roles[at] & CONCEPT) or (state is not None and not state.normal)


def _phrases(
    items: Items, words: list[str], found: list[int], readings: tuple[Reading, ...], scopes: Scopes
) -> Iterator[Unread]:
    """Join words that stand side by side, and say of each phrase whether it asserts something."""
    done = -1
    for at in found:
        if at <= done or scopes.silent[at]:
            continue
        first, last = _segment(items, at)
        if _is_past(items, words, first, at):
            continue
        if items.entries[at].phrase == _UNKNOWN:
            done = at
            while done + 1 in found and done + 1 <= last and items.entries[done + 1].phrase == _UNKNOWN:
                done += 1
            weak = scopes.denied[at] or scopes.hedged[at] or _qualifies(items, done + 1, last) or _is_cause(items, at)
        elif not _counts(items, at, first, last, readings):
            continue
        else:
            done, weak = at, scopes.denied[at]
        start, end = items.starts[at], items.ends[done]
        said = list(dict(zip(items.starts[at : done + 1], words[at : done + 1], strict=True)).values())
        region = _region(items, first, last, at)
        carries = not weak and _could_set_a_label(region, readings)
        yield Unread(start, end, " ".join(map(fold, said)), len(said), carries, region)


def _is_cause(items: Items, at: int) -> bool:
    """Return whether a word says why something else is as it is: "X from Y", "X in Y"."""
    before = items.entries[at - 1] if at else None
    return before is not None and bool(before.roles & Role.CAUSE or before.phrase[-1] in _WHY)


def _could_set_a_label(region: str | None, readings: tuple[Reading, ...]) -> bool:
    """Return whether anything there sets a label, and a word is not one more of a device that was read."""
    if region is not None:
        return region in _labeled_regions()
    concepts, device = load_lexicon().concepts, pack().roles.device_region
    return not any(concepts[reading.form.concept].region == device for reading in readings)


@cache
def _labeled_regions() -> frozenset[str]:
    """Return the regions of which a finding sets a label, and those that are all that the image shows."""
    concepts = load_lexicon().concepts.values()
    named = {concept.region for concept in concepts if concept.label or concept.label_possible}
    return frozenset({*named, pack().roles.whole_region})


def _segment(items: Items, at: int) -> tuple[int, int]:
    """Return the first and last item of the part of a sentence that a word stands in."""
    first = next((place + 1 for place in range(at - 1, -1, -1) if items.roles[place] & _ENDS), 0)
    total = len(items.roles)
    last = next((place - 1 for place in range(at + 1, total) if items.roles[place] & _ENDS), total - 1)
    return first, last


def _is_past(items: Items, words: list[str], first: int, at: int) -> bool:
    """Return whether a word tells what was done before."""
    ordinary = pack().ordinary
    if items.entries[at].phrase != _UNKNOWN:
        return False
    return words[at].endswith(ordinary.procedure_endings) or any(
        word.rsplit(" ", 1)[-1] in ordinary.history for word in words[first:at]
    )


def _qualifies(items: Items, after: int, last: int) -> bool:
    """Return whether an unknown word only says more of a finding behind it."""
    at = after
    while at <= last and (items.entries[at].phrase == _UNKNOWN or items.roles[at] & _QUALIFIES):
        at += 1
    return at <= last and bool(items.roles[at] & CONCEPT)


def _counts(items: Items, at: int, first: int, last: int, readings: tuple[Reading, ...]) -> bool:
    """Return whether a word of the lexicon that nothing was made of is a finding that was lost.

    A finding that alone heads a line of findings is none, and neither is an adjective that makes none of its structure.
    """
    if items.roles[at] & CONCEPT:
        colon = next((place for place in range(at + 1, len(items.roles)) if items.roles[place] & COLON), -1)
        heads = colon > 0 and all(role & _NAMES for role in items.roles[:colon])
        return not heads or not any(reading.start > items.starts[colon] for reading in readings)
    state = items.entries[at].state
    parts = (items.entries[place].part for place in range(first, last + 1) if items.roles[place] & PART)
    return state is not None and any(part is not None and state_concept(part, state) is not None for part in parts)


def _region(items: Items, first: int, last: int, at: int) -> str | None:
    """Return the region of the structure that is named nearest."""
    places = [place for place in range(first, last + 1) if items.entries[place].part is not None]
    part = items.entries[min(places, key=lambda place: abs(place - at))].part if places else None
    return None if part is None else part.region.id


@cache
def _ordinary_words() -> frozenset[str]:
    return frozenset(fold(word) for word in pack().ordinary.all)


@lru_cache(maxsize=50_000)
def is_ordinary(word: str) -> bool:
    """Return whether a lower-case word carries no finding by itself: an ordinary one, a number, a blank, a letter."""
    known, pieces = _ordinary_words(), fold_compound(word)
    if word in pack().ordinary.all:
        return True
    if len(pieces) > 1:
        return all(is_ordinary(piece) for piece in pieces)
    word = fold(word)
    if word in known or len(word) < 2 or not word.replace("'", "").isalpha() or word.startswith("xxxx"):
        return True
    for suffix, instead in _SUFFIXES:
        stem = word[: -len(suffix)] + instead
        if word.endswith(suffix) and len(stem) > 1 and (stem in known or _undoubled(stem) in known):
            return True
    return False


def _undoubled(stem: str) -> str:
    """Return a stem without the consonant that its ending doubled: "stopped" is "stop"."""
    return stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] else stem
