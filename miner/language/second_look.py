"""A second, cruder reading of a report, to find what the first one lost: words for a label that nothing was made of.

A misread sentence often holds known words only, so that `coverage` does not see it. This reading knows no grammar: it
takes a finding as said where its words stand in a sentence without any word that denies, doubts, asks, advises or tells
of before, where only an exception ("no X, only Y") stands between it and the denial, or where the one denial stands far
behind it. Where the report asserts that, and the reader has set none of its label, one of the two is wrong.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from cxr.miner.language.analysis import Analysis, tells_of_patient
from cxr.miner.language.items import Items, asks_or_names, read_items
from cxr.miner.language.lexicon import Role, load_lexicon
from cxr.miner.pack import pack
from cxr.schemas import Change, Presence

_DENIES = Role.DENY_FORWARD | Role.DENY_BACKWARD | Role.NOTHING_BACKWARD | Role.REMOVAL | Role.NONE
_ASIDE = (
    Role.NOTHING_CLAUSE
    | Role.NOTHING_FORWARD
    | Role.PAST
    | Role.PAST_NEXT
    | Role.ANOTHER_DAY
    | Role.NOT_ASSESSABLE
    | Role.OPTION
    | Role.QUALITY
    | Role.HEDGE_FORWARD
    | Role.HEDGE_BACKWARD
    | Role.HEDGE_LIST
)
_PLAN = Role.NOTHING_SENTENCE
_HAPPENS = Role.CHANGE | Role.CURRENTLY
"""Words that no plan has."""
_ENDS = Role.COMMA | Role.BREAK | Role.CONJUNCTION | Role.WITH
_CONCEPT, _PART, _STATE = Role.CONCEPT, Role.PART, Role.STATE
_FAR = 6
"""So many phrases behind a finding, a denial may be another one's."""
_REACH = 12
"""So many phrases apart, an adjective says nothing of a structure."""


class Said(NamedTuple):
    """A label that a sentence asserts to somebody who looks at its words only; `[start, end)` in the sentence."""

    label: str
    start: int
    end: int
    denied: bool
    """There is a denial, of something else to this reading: the reader must have taken it for this."""


def doubted(text: str, analysis: Analysis) -> tuple[str, ...]:
    """Return the labels that a report asserts by its words, and by what was read of it does not, in text order."""
    labels = {
        label
        for mention in analysis.mentions
        if mention.form.presence is Presence.PRESENT
        for label in _labels_of(mention.form.concept)
    }
    lost = [
        (begin, stop, said)
        for begin, stop in analysis.cuts
        for said in asserted_in(text[begin:stop])
        if said.label not in labels
    ]
    return tuple(dict.fromkeys(_unexplained(analysis, lost))) if lost else ()


def _unexplained(analysis: Analysis, lost: Sequence[tuple[int, int, Said]]) -> Iterator[str]:
    """Leave out what the reader made something else of, and what the report denies after it, as a correction does."""
    denied = {
        label: mention.start  # the last denial
        for mention in analysis.mentions
        if mention.form.presence is Presence.ABSENT
        for label in _labels_of(mention.form.concept)
    }
    present = [mention for mention in analysis.mentions if mention.form.presence is Presence.PRESENT]
    clauses = sorted((mention.clause_start, mention.clause_end) for mention in present)
    at, reached = 0, -1
    for begin, stop, said in lost:
        while at < len(clauses) and clauses[at][0] <= begin + said.start:
            reached = max(reached, clauses[at][1])
            at += 1
        is_corrected = not said.denied and denied.get(said.label, -1) > stop
        if begin + said.start >= reached and not is_corrected:
            yield said.label


@lru_cache(maxsize=32_768)
def asserted_in(sentence: str) -> tuple[Said, ...]:
    """Return the labels that a sentence asserts to the crude reading, in text order."""
    items = read_items(sentence)
    union = items.union
    if not union & (_CONCEPT | _STATE) or "?" in sentence or union & _ASIDE or (union & _PLAN and not union & _HAPPENS):
        return ()
    if tells_of_patient(sentence) or asks_or_names(sentence):
        return ()
    denials = [at for at in range(len(items.roles)) if _denies(items, at)]
    return tuple(sorted(_asserted(sentence, items, denials), key=lambda said: said.start))


def _denies(items: Items, at: int) -> bool:
    entry = items.entries[at]
    return bool(
        entry.roles & _DENIES or entry.change is Change.RESOLVED or (entry.state is not None and entry.state.normal)
    )


def _asserted(sentence: str, items: Items, denials: Sequence[int]) -> Iterator[Said]:
    for at, entry in enumerate(items.entries):
        if entry.roles & _CONCEPT and _stands(sentence, items, at, denials):
            for label in _labels_of(entry.concepts[0])[:1]:
                yield Said(label, items.starts[at], items.ends[at], bool(denials))
        elif entry.state is not None and not entry.state.normal and not denials:
            for label in _labels_of(_made_of(items, at) or "")[:1]:
                yield Said(label, items.starts[at], items.ends[at], denied=False)


def _stands(sentence: str, items: Items, at: int, denials: Sequence[int]) -> bool:
    """Return whether no denial of the sentence can be meant for a word."""
    if not denials:
        return True
    before = [place for place in denials if place < at]
    after = denials[len(before)] if len(before) < len(denials) else None
    if after is not None:
        return not before and after - at > _FAR and bool(items.roles[after] & _DENIES)
    between = sentence[items.ends[before[-1]] : items.starts[at]].lower().split()
    return not pack().ordinary.exceptions.isdisjoint(between)


def _made_of(items: Items, at: int) -> str | None:
    """Return the finding that an adjective makes of the nearest structure in its part of the sentence."""
    state = items.entries[at].state
    for step in (-1, 1):
        place = at + step
        while 0 <= place < len(items.roles) and abs(place - at) < _REACH and not items.roles[place] & _CONCEPT:
            part = items.entries[place].part
            if part is not None:
                return part.region.states.get(state.id) if state is not None else None
            if step > 0 and items.roles[place] & _ENDS:
                break
            place += step
    return None


@lru_cache(maxsize=4096)
def _labels_of(concept: str) -> tuple[str, ...]:
    """Return the labels that a finding sets where it is present."""
    known = load_lexicon().concepts.get(concept)
    if known is None or known.kind == "normal":
        return ()
    return tuple(filter(None, (known.label, known.label_too, known.label_possible)))
