"""What a sentence, a fragment, or an observation asserts, denies and seeks."""

from collections.abc import Sequence
from functools import lru_cache

from cxr.miner.language.answers import ALONE, ANSWERS, answer
from cxr.miner.language.ellipsis import complete, complete_fragment, is_fragment
from cxr.miner.language.items import Items, asks_or_names, read_items
from cxr.miner.language.lexicon import Role, load_lexicon
from cxr.miner.language.readings import Reading, Sentence, beside, settled
from cxr.miner.language.sentence_reader import SentenceReader
from cxr.miner.language.sides import resolve_sides
from cxr.miner.language.silence import HEADING, NOTHING_SENTENCE, OPTION, PLANS
from cxr.schemas import Side

CONCEPT, PART, STATE, GENERIC = Role.CONCEPT, Role.PART, Role.STATE, Role.GENERIC
ANAPHOR, BREAK, SIDE = Role.ANAPHOR, Role.BREAK, Role.SIDE
_NO_ANSWER = Role.NOT_ASSESSABLE
_MEANINGFUL = CONCEPT | STATE | GENERIC
_NAMES = CONCEPT | STATE
_STANDS = frozenset({"one", "none"})
_NOT = frozenset({"not", "na", "n"})
_SUCH = ("such",)
_NOTHING = Sentence()


@lru_cache(maxsize=32_768)
def read_sentence(sentence: str, side: Side | None = None) -> Sentence:
    """Return what a sentence asserts and denies, and what it seeks; nothing where it states nothing.

    `side` is the one that was named last before it, which "the other side" goes by.
    """
    if asks_or_names(sentence):
        return _NOTHING
    items = read_items(sentence)
    union = items.union
    if not union & (_MEANINGFUL | ALONE) or (union & _NO_ANSWER and _is_left_blank(items)):
        return _NOTHING
    if union & SIDE:
        resolve_sides(items, side)
    stands = not (union & PLANS or _STANDS.isdisjoint(items.words))  # of what is looked for, "none" is an answer
    none = complete(items).denied if stands else ()
    work = SentenceReader(items, load_lexicon(), none=none)
    readings = work.read()
    sought = work.scopes.sought
    alone = union & ALONE or (union & GENERIC and not union & (CONCEPT | PART))
    own = _first_sought(items, sought) if union & (PLANS | HEADING | OPTION) else None
    before = answer(items, work.scopes, stop=own) if alone else None
    if own is None:
        supposes = bool(items.roles[0] & ANAPHOR) and _supposes(items, readings)
        return Sentence(tuple(readings), said=before, supposes=supposes)
    last = max(index for index, number in enumerate(sought) if number)
    said = answer(items, work.scopes, last + 1) if union & (ANSWERS | BREAK) else None
    if said is None and readings and readings[0].start > items.starts[last]:
        found = beside(_sought(work), readings)
        if found:
            return Sentence(tuple(sorted((*readings, *found), key=_place)), said=before)
    if said is None:
        goes_on = bool(items.roles[0] & ANAPHOR)
        describes = goes_on and bool(union & Role.DESCRIBES) and _describes(items)
        return Sentence(tuple(readings), items, describes=describes, said=before, goes_on=goes_on)
    found = settled(_sought(work), said, readings)
    return Sentence(tuple(sorted((*readings, *found), key=_place)), said=before)


def _is_left_blank(items: Items) -> bool:
    """Return whether a line of a form says that it does not apply: "X: N/A", "X: not assessed"."""
    colon = next((at for at, role in enumerate(items.roles) if role & Role.COLON), len(items.roles))
    behind = range(colon + 1, len(items.roles))
    return bool(behind) and all(
        items.roles[at] & Role.NOT_ASSESSABLE and items.entries[at].phrase[0] in _NOT for at in behind
    )


def _first_sought(items: Items, sought: Sequence[int]) -> int | None:
    """Return the first item that names something sought."""
    return next((at for at, role in enumerate(items.roles) if sought[at] and role & _NAMES), None)


def _supposes(items: Items, readings: Sequence[Reading]) -> bool:
    """Return whether all that is said of "this" or "such an X" is what it could be."""
    subject = readings[:1] if readings and items.entries[0].phrase == _SUCH else ()
    others = [each for each in readings if not (each in subject and each.start == items.starts[1])]
    return bool(others) and all(each.hedge for each in others)


def _describes(items: Items) -> bool:
    """Return whether "this" is described as it is here, and not as it "typically" is."""
    first = next(at for at, role in enumerate(items.roles) if role & Role.DESCRIBES)
    return not any(role & NOTHING_SENTENCE for role in items.roles[:first])


def _place(reading: Reading) -> tuple[int, int]:
    return reading.start, reading.end


def _sought(work: SentenceReader) -> list[tuple[int, Reading]]:
    """Read what a sentence seeks as if it were there, each with the number of its plan."""
    scopes, sought = work.scopes, work.scopes.sought
    for index, number in enumerate(sought):
        scopes.silent[index] = not number
        scopes.hedged[index] = False
    number_at = dict(zip(work.items.starts, sought, strict=True))
    work.readings = []
    return [(number_at[reading.start], reading) for reading in work.read()]


def read_sought(items: Items) -> list[tuple[int, Reading]]:
    """Return what a sentence seeks, as if it were there, each with the number of its plan."""
    return _sought(SentenceReader(items, load_lexicon()))


@lru_cache(maxsize=4096)
def read_fragment(fragment: str, before: str) -> tuple[Reading, ...]:
    """Return what a fragment states of the last thing that the sentence before it names: "No X. Trace left."."""
    items = read_items(fragment)
    if not is_fragment(items):
        return ()
    named = next((entry for entry in reversed(read_items(before).entries) if entry.concepts), None)
    if named is None:
        return ()
    completed = complete_fragment(items, named)
    return tuple(SentenceReader(completed.items, load_lexicon(), none=completed.denied).read())


def read_observation(text: str) -> tuple[Reading, ...]:
    """Return what "observation: status" asserts: like a sentence, but a heading and a plan count as said."""
    items = read_items(text)
    return tuple(SentenceReader(items, load_lexicon(), statement=True).read())
