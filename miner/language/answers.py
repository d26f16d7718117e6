"""What a sentence says of what was sought before it: "None was seen", "These are present", "ruling out this option"."""

from typing import NamedTuple

from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Role
from cxr.miner.language.scopes import Scopes
from cxr.schemas import Presence

CONCEPT, PART, STATE, GENERIC = Role.CONCEPT, Role.PART, Role.STATE, Role.GENERIC
COPULA, SIGN, OPTION, NONE, ANAPHOR = (
    Role.COPULA, Role.SIGN, Role.OPTION, Role.NONE, Role.ANAPHOR
)  # fmt: skip
AFFIRM, DENY_BACKWARD, CHOSEN = Role.AFFIRM_BACKWARD, Role.DENY_BACKWARD, Role.CHOSEN
ALONE = ANAPHOR | NONE | OPTION
"""Sentences may say what came of what was sought, and name nothing themselves."""
ANSWERS = ALONE | GENERIC
_HEDGES = Role.HEDGE_BACKWARD | Role.HEDGE_FORWARD
_ENDS = Role.BREAK | Role.COMMA
_NOUN = SIGN | GENERIC | OPTION
_QUALIFIES = Role.WORD | Role.SEVERITY | Role.CHANGE | Role.ACUTE | Role.CHRONIC | Role.NUMBER | Role.SIDE
PROBABLE = Role.PROBABLE
_SHOWS = PROBABLE | CHOSEN | Role.REPORT | Role.CONFIRM | Role.DESCRIBES
_SUCH = frozenset({("such",), ("any", "such")})
_ONE = frozenset({("this",), ("it",)})
_NOTHING = frozenset({"none", "neither", "nothing"})
_RELATIVE = ("which",)
_ADVERSATIVE = frozenset({("but",), ("yet",), ("however",), ("instead",)})
_MODAL = frozenset({"can", "may", "might", "could", "would", "should", "to", "help"})
_REACH = 6
"""So many items may stand between "these" and what is said of them."""


class Answer(NamedTuple):
    """What became of what was sought: found or not; `head` where only of what the plan began with ("this option")."""

    presence: Presence
    head: bool = False
    near: bool = False
    """It only says that nothing was found, which speaks of the sentence before it and of no other."""


def answer(items: Items, scopes: Scopes, first: int = 0, stop: int | None = None) -> Answer | None:
    """Return what a stretch of a sentence says of what was sought before it; a denial goes before all else."""
    found: Answer | None = None
    for index in range(first, len(items.roles) if stop is None else stop):
        role = items.roles[index]
        if not role & ANSWERS and index != first:
            continue
        if scopes.sought[index] or (scopes.silent[index] and not role & NONE):
            continue
        said = _answer_at(items, scopes, index, first)
        if said is not None and said.presence is Presence.ABSENT:
            return said
        found = found or said
    if found is None and first and _turns_to_normal(items, first):
        return Answer(Presence.ABSENT)
    return found


def _turns_to_normal(items: Items, first: int) -> bool:
    """Return whether something normal is set against what was sought: "look for X, but the Ys are clear"."""
    turned = False
    for role, entry in zip(items.roles[first:], items.entries[first:], strict=True):
        if turned and entry.state is not None:
            return entry.state.normal
        if turned and role & (CONCEPT | GENERIC):
            return False
        turned = turned or entry.phrase in _ADVERSATIVE
    return False


def _answer_at(items: Items, scopes: Scopes, index: int, first: int) -> Answer | None:
    role, phrase = items.roles[index], items.entries[index].phrase
    if role & NONE:
        everything = phrase[0] in _NOTHING or phrase[-1] in _NOTHING
        return None if _names_its_own(items, index) else Answer(Presence.ABSENT, head=not everything)
    if role & ANAPHOR or (phrase == _RELATIVE and first and index == first):
        return _anaphor(items, scopes, index)
    if role & OPTION:
        said = _said_of(items, scopes, index, index + 1)
        return said._replace(head=True) if said is not None and said.presence is Presence.ABSENT else None
    if role & GENERIC and scopes.denied[index] and (first or not items.union & (PART | CONCEPT)):
        follows = items.roles[index + 1] if index + 1 < len(items.roles) else 0
        return None if follows & CONCEPT else Answer(Presence.ABSENT, near=True)
    return None


def _names_its_own(items: Items, index: int) -> bool:
    """Return whether "none of" names what it denies: "none of the Xs is large"."""
    for role in items.roles[index + 1 : index + 4]:
        if role & (CONCEPT | PART):
            return True
        if role & (_ENDS | COPULA | AFFIRM | _NOUN):
            return False
    return False


def _anaphor(items: Items, scopes: Scopes, index: int) -> Answer | None:
    """Read "these", "such features", "this option" with what is said of them."""
    phrase = items.entries[index].phrase
    after = index + 1
    noun = 0
    while after < len(items.roles) and items.roles[after] & (_QUALIFIES | _NOUN) and not noun:
        if items.roles[after] & (CONCEPT | PART | AFFIRM | DENY_BACKWARD | COPULA | CHOSEN):
            break
        noun = items.roles[after] & _NOUN
        if not noun and phrase not in _SUCH and not items.roles[after] & ~Role.WORD:
            return None  # "these images": not what was sought
        after += 1
    if after < len(items.roles) and items.roles[after] & (CONCEPT | PART) and not noun:
        return None  # "no such X" denies X by itself
    said = _said_of(items, scopes, index, after)
    return said if said is None else said._replace(head=phrase in _ONE)


def _said_of(items: Items, scopes: Scopes, index: int, after: int) -> Answer | None:
    """Return what is said of an item: by a denial before it, a predicate behind it, or a verb before it."""
    if scopes.denied[index]:
        return Answer(Presence.ABSENT)
    if scopes.hedged[index]:
        return None
    found = None
    option = any(role & OPTION for role in items.roles[index:after])
    for at in range(after, min(after + _REACH, len(items.roles))):
        role = items.roles[at]
        if role & DENY_BACKWARD and not role & _HEDGES:
            return Answer(Presence.ABSENT)
        state = items.entries[at].state
        if (
            state is not None
            and state.normal
            and items.roles[at - 1] & COPULA
            and not _denies_its_own(items, scopes, index)
        ):
            return Answer(Presence.ABSENT)
        fits = role & PROBABLE and option and not _elsewhere(items, at)
        if fits or (role & (AFFIRM | CHOSEN) and not _elsewhere(items, at + 1)):
            found = Answer(Presence.PRESENT)
        if role & (_ENDS | CONCEPT | _HEDGES):
            break
    if found is None and index and items.roles[index - 1] & _SHOWS and not _may(items, index - 2):
        return Answer(Presence.PRESENT)
    return found


def _denies_its_own(items: Items, scopes: Scopes, index: int) -> bool:
    """Return whether the sentence names what it denies before "this area is normal"."""
    return any(role & CONCEPT and scopes.denied[at] for at, role in enumerate(items.roles[:index]))


def _may(items: Items, at: int) -> bool:
    """Return whether a verb only may be true: "can confirm this"."""
    return at >= 0 and items.words[items.word_starts.index(items.starts[at])] in _MODAL


def _elsewhere(items: Items, start: int) -> bool:
    """Return whether something is seen only in what is named behind it: "these are seen in X"."""
    preposition = False
    for role in items.roles[start : start + 4]:
        if role & CONCEPT:
            return preposition
        preposition = preposition or bool(role & Role.PREPOSITION)
    return False
