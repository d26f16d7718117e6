"""How much of a report was read: the share of its words for findings, and the phrases that could be one and were not.

No dictionary knows every finding. A word is taken for the name of one where it is neither in the lexicon nor among the
ordinary words of the pack, and where it asserts something: it is not denied, not hedged (then it explains a sign that
was read), says nothing of the past or of a plan, and does not merely qualify a finding behind it ("compressive
X"). So is a word of the lexicon for a finding that nothing was made of, and an adjective that makes a finding of the
structure beside it. Linear, and cached by sentence: corpora repeat themselves.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import NamedTuple

from cxr.miner.language.analysis import analyse_plain, tells_of_patient
from cxr.miner.language.items import asks_or_names, read_items
from cxr.miner.language.lexicon import Role, load_lexicon
from cxr.miner.language.reader import read_sentence
from cxr.miner.language.readings import Reading
from cxr.miner.language.residues import readable
from cxr.miner.language.scopes import read_scopes
from cxr.miner.language.second_look import doubted
from cxr.miner.language.structures import state_concept
from cxr.miner.language.tokens import fold, fold_compound, lowered
from cxr.miner.pack import pack
from cxr.schemas.vocabulary import RejectReason

CONCEPT, PART, STATE, COLON = Role.CONCEPT, Role.PART, Role.STATE, Role.COLON
_QUALIFIES = PART | Role.SEVERITY | Role.SIDE | Role.NUMBER | Role.CHANGE
_ENDS = Role.COMMA | Role.BREAK | Role.WITH | Role.COLON | Role.CONJUNCTION
_NAMES = CONCEPT | Role.CONJUNCTION | Role.COMMA
_UNKNOWN = ("",)
_SUFFIXES = (
    ("ed", ""), ("ed", "e"), ("ied", "y"), ("d", ""), ("ing", ""), ("ing", "e"), ("ly", ""), ("ily", "y"), ("ally", ""),
    ("er", ""), ("er", "e"), ("est", ""), ("est", "e"), ("'s", ""),
)  # fmt: skip
"""How English bends a word, and what stands in its place in a list of words."""

_WORDS = re.compile(r"[^\W\d_]+(?:['\u2019][a-z]+)?")
_REACH = 30
"""So many words away nothing is said of a word."""
_WHY = frozenset({"for", "from", "in"})

LEAST_SHARE = 0.9
"""A report of which less was read is not understood."""


class Unread(NamedTuple):
    """A phrase that could be a finding and was not read; `[start, end)` in the report."""

    start: int
    end: int
    phrase: str
    """Its words, folded as the lexicon folds them."""
    weight: int
    """How many of its words could carry a finding; one that the lexicon knows for a finding weighs as two."""
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
    doubted: tuple[str, ...] = ()
    """Labels that the report's words assert to a cruder reading (`second_look.py`), and that were not read."""

    @property
    def understood(self) -> bool:
        """Whether the report's silence on a finding can be taken for its absence."""
        return self.reason is None

    @property
    def reason(self) -> RejectReason | None:
        """Why it cannot: too little was read, or a second look doubts what was; None where it can."""
        if self.share < LEAST_SHARE:
            return RejectReason.REPORT_NOT_UNDERSTOOD
        return RejectReason.READING_DOUBTED if self.doubted else None

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
        return {
            "share": self.share,
            "understood": self.understood,
            "unread": unread,
            "doubted": list(self.doubted),
        }


@lru_cache(maxsize=1024)
def coverage(report: str) -> Coverage:
    """Return how much of what a report states in the end was read."""
    plain = readable(report)
    found = _coverage(plain.text)
    unread = (each._replace(start=plain.place(each.start), end=plain.end(each.end)) for each in found.unread)
    return replace(found, unread=tuple(unread)) if plain.pieces else found


def _coverage(report: str) -> Coverage:
    analysis = analyse_plain(report)
    read = _Stretches((mention.clause_start, mention.clause_end) for mention in analysis.mentions)
    unread = [
        each._replace(start=each.start + begin, end=each.end + begin)
        for begin, stop in analysis.cuts
        for each in unread_in(report[begin:stop])
        if each.start + begin not in read  # a fragment was read with the sentence before it
    ]
    missed = sum(each.weight for each in unread if each.asserted)
    said = len(analysis.mentions)
    if not (said or missed) and any(_calls_normal(report[begin:stop]) for begin, stop in analysis.cuts):
        return Coverage(share=1.0, unread=tuple(unread))
    share = said / (said + missed) if said else 0.0
    return Coverage(share=share, unread=tuple(unread), doubted=doubted(report, analysis))


class _Stretches:
    """Stretches of a text that may overlap; whether a place is in one takes no longer for many of them."""

    def __init__(self, stretches: Iterable[tuple[int, int]]) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        for start, end in sorted(stretches):
            if self.ends and start <= self.ends[-1]:
                self.ends[-1] = max(self.ends[-1], end)
            else:
                self.starts.append(start)
                self.ends.append(end)

    def __contains__(self, place: int) -> bool:
        at = bisect_right(self.starts, place) - 1
        return at >= 0 and place < self.ends[at]


def _calls_normal(sentence: str) -> bool:
    """Return whether a sentence says no more than that all is normal."""
    return any(entry.state is not None and entry.state.normal for entry in read_items(sentence).entries)


@lru_cache(maxsize=32_768)
def unread_in(sentence: str) -> tuple[Unread, ...]:
    """Return the phrases of a sentence that could be a finding and were not read; offsets are in the sentence."""
    written = lowered(sentence)
    if all(map(_is_harmless, _WORDS.findall(written))) or tells_of_patient(sentence) or asks_or_names(sentence):
        return ()
    readings = read_sentence(sentence).readings
    named = _Stretches((reading.start, reading.end) for reading in readings)
    if all(_is_harmless(each.group()) or each.start() in named for each in _WORDS.finditer(written)):
        return ()
    return tuple(_Sentence(sentence, readings, named).phrases())


@lru_cache(maxsize=50_000)
def _is_harmless(word: str) -> bool:
    """Return whether a written word needs no second look: it carries no finding."""
    entry = load_lexicon().entries.get(fold_compound(word))
    if entry is None:
        return is_ordinary(word)
    return not entry.roles & CONCEPT and (entry.state is None or entry.state.normal)


class _Sentence:
    """The second look at a sentence: what of it could be a finding, and whether it asserts one."""

    def __init__(self, sentence: str, readings: tuple[Reading, ...], named: _Stretches) -> None:
        self.items = read_items(sentence)
        self.named = named
        self.clauses = _Stretches((reading.clause_start, reading.clause_end) for reading in readings)
        self.words = [
            # A word that goes on in digits is a code ("AB12").
            "" if sentence[end : end + 1].isdigit() else lowered(sentence[start:end])
            for start, end in zip(self.items.starts, self.items.ends, strict=True)
        ]
        concepts, device = load_lexicon().concepts, pack().roles.device_region
        self.of_device = any(concepts[reading.form.concept].region == device for reading in readings)
        self.heading = self._heading(readings)

    def _heading(self, readings: tuple[Reading, ...]) -> int:
        """Return the index of a colon behind nothing but names of findings, with findings behind it; else 0."""
        roles = self.items.roles
        colon = next((at for at, role in enumerate(roles) if role & COLON), 0)
        if not all(role & _NAMES for role in roles[:colon]):
            return 0
        return colon if any(reading.start > self.items.starts[colon] for reading in readings) else 0

    def phrases(self) -> Iterator[Unread]:
        """Join words that stand side by side, and say of each phrase whether it asserts something."""
        items = self.items
        unsure = {at for at in range(len(self.words)) if self._could_be(at)}
        scopes = read_scopes(items) if unsure else None
        done = -1
        for at in sorted(unsure):
            first, last = self._part(at)
            if scopes is None or at <= done or scopes.silent[at] or self._is_past(first, at):
                continue
            done, weak = at, scopes.denied[at]
            if items.entries[at].phrase == _UNKNOWN:
                while done + 1 in unsure and items.entries[done + 1].phrase == _UNKNOWN:
                    done += 1
                weak = weak or scopes.hedged[at] or self._qualifies(done + 1, last) or self._is_cause(at)
            elif not self._was_lost(at, first, last):
                continue
            said = list(dict(zip(items.starts[at : done + 1], self.words[at : done + 1], strict=True)).values())
            region = self._region(first, last, at)
            yield Unread(
                start=items.starts[at],
                end=items.ends[done],
                phrase=" ".join(map(fold, said)),
                weight=2 if items.roles[at] & CONCEPT else len(said),
                asserted=not weak and self._could_set_a_label(region),
                region=region,
            )

    def _could_be(self, at: int) -> bool:
        """Return whether a word could be a finding: nobody knows it, or the lexicon does and nothing was made of it."""
        entry, start = self.items.entries[at], self.items.starts[at]
        if entry.roles & CONCEPT:
            return start not in self.named
        if start in self.clauses:
            return False
        if entry.phrase == _UNKNOWN:
            return not is_ordinary(self.words[at])
        return entry.state is not None and not entry.state.normal

    def _part(self, at: int) -> tuple[int, int]:
        """Return the first and last item of the part of the sentence that a word stands in, as far as one looks."""
        roles = self.items.roles
        first = last = at
        while first > 0 and at - first < _REACH and not roles[first - 1] & _ENDS:
            first -= 1
        while last + 1 < len(roles) and last - at < _REACH and not roles[last + 1] & _ENDS:
            last += 1
        return first, last

    def _is_past(self, first: int, at: int) -> bool:
        """Return whether an unknown word tells what was done before."""
        if self.items.entries[at].phrase != _UNKNOWN:
            return False
        ordinary = pack().ordinary
        before = (word.rsplit(" ", 1)[-1] for word in self.words[max(0, first - 1) : at])
        return self.words[at].endswith(ordinary.procedure_endings) or any(word in ordinary.history for word in before)

    def _qualifies(self, after: int, last: int) -> bool:
        """Return whether an unknown word only says more of a finding behind it."""
        items, at = self.items, after
        while at <= last and (items.entries[at].phrase == _UNKNOWN or items.roles[at] & _QUALIFIES):
            at += 1
        return at <= last and bool(items.roles[at] & CONCEPT)

    def _is_cause(self, at: int) -> bool:
        """Return whether a word says why something else is as it is: "X from Y", "X in Y"."""
        before = self.items.entries[at - 1] if at else None
        return before is not None and bool(before.roles & Role.CAUSE or before.phrase[-1] in _WHY)

    def _was_lost(self, at: int, first: int, last: int) -> bool:
        """Return whether a word of the lexicon that nothing was made of is a finding that was lost.

        A finding that heads a line of findings is none, nor is one that could not be assessed, or an adjective that
        makes none of its structure.
        """
        items = self.items
        if items.roles[at] & CONCEPT:
            return at >= self.heading and not items.union & Role.NOT_ASSESSABLE
        state = items.entries[at].state
        parts = (entry.part for entry in items.entries[first : last + 1] if entry.part is not None)
        return state is not None and any(state_concept(part, state) is not None for part in parts)

    def _region(self, first: int, last: int, at: int) -> str | None:
        """Return the region of the structure that is named nearest."""
        entries = self.items.entries
        places = [place for place in range(first, last + 1) if entries[place].part is not None]
        part = entries[min(places, key=lambda place: abs(place - at))].part if places else None
        return None if part is None else part.region.id

    def _could_set_a_label(self, region: str | None) -> bool:
        """Return whether a finding there could set a label, and is not one more word of a device that was read."""
        return not self.of_device if region is None else region in _labeled_regions()


@cache
def _labeled_regions() -> frozenset[str]:
    """Return the regions of which a finding sets a label, and the one that is all that the image shows."""
    concepts = load_lexicon().concepts.values()
    named = {concept.region for concept in concepts if concept.label or concept.label_possible}
    return frozenset({*named, pack().roles.whole_region})


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
