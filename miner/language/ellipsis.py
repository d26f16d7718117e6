"""What is left unsaid: "no X on the right, but a moderate one on the left", "X on the right, none on the left"."""

from typing import NamedTuple

from cxr.miner.language.entries import Entry, Role
from cxr.miner.language.items import Items

CONCEPT, COPULA = Role.CONCEPT, Role.COPULA
_DEGREE = Role.SIDE | Role.SEVERITY
_ONE, _NONE, _OF = ("one",), ("none",), ("of",)
_STANDS = frozenset({_ONE, _NONE})
_QUALIFIES = Role.SIDE | Role.SEVERITY | Role.CHANGE
_GOES_ON = Role.PREPOSITION | Role.SIDE | Role.COPULA | Role.COMMA | Role.BREAK | Role.WITH | Role.CHANGE
_NAMES = Role.CONCEPT | Role.PART | Role.STATE | Role.GENERIC
_APART = Role.COMMA | Role.BREAK | Role.CONJUNCTION
_LONGEST = 8
"""Items of a fragment: more is a sentence of its own."""


class Completed(NamedTuple):
    """Items in which "one" and "none" name what they stand for."""

    items: Items
    denied: tuple[int, ...]
    """Those that stand for none of it."""


def complete(items: Items) -> Completed:
    """Return the items of a sentence with what it says before put in for "one" and "none"; unchanged without these."""
    denied: list[int] = []
    antecedent: Entry | None = None
    for index, entry in enumerate(items.entries):
        if items.roles[index] & CONCEPT:
            antecedent = entry
        elif antecedent is not None and entry.phrase in _STANDS and _stands_for(items, index):
            if entry.phrase == _NONE:
                denied.append(index)
            _put(items, index, antecedent)
    return Completed(items, tuple(denied))


def is_fragment(items: Items) -> bool:
    """Return whether a few words speak of what the sentence before named: "Trace left.", "None on the right."."""
    if not items.roles or items.union & _NAMES or len(items.roles) > _LONGEST:
        return False
    if any(entry.phrase in _STANDS for entry in items.entries):
        return True
    return bool(items.roles[0] & _QUALIFIES and items.union & _DEGREE and not items.union & COPULA)


def complete_fragment(items: Items, antecedent: Entry) -> Completed:
    """Return a fragment with what it speaks of put in."""
    at = next((index for index, entry in enumerate(items.entries) if entry.phrase in _STANDS), -1)
    if at < 0:
        items.entries.append(antecedent)
        items.roles.append(CONCEPT)
        items.starts.append(items.starts[0])
        items.ends.append(items.ends[-1])
        items.union |= CONCEPT
        return Completed(items, ())
    denied = (at,) if items.entries[at].phrase == _NONE else ()
    _put(items, at, antecedent)
    return Completed(items, denied)


def _stands_for(items: Items, index: int) -> bool:
    before = items.roles[index - 1]
    after = items.roles[index + 1] if index + 1 < len(items.roles) else Role.BREAK
    if items.entries[index].phrase == _NONE:
        return bool(before & _APART and after & (Role.PREPOSITION | Role.SIDE | Role.COPULA))
    if index + 1 < len(items.roles) and items.entries[index + 1].phrase == _OF:
        return False
    return bool(after & _GOES_ON and (before & _QUALIFIES or (before & _APART and after & Role.PREPOSITION)))


def _put(items: Items, index: int, antecedent: Entry) -> None:
    items.entries[index] = antecedent
    items.roles[index] = CONCEPT
    items.union |= CONCEPT
