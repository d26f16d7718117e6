"""What is said of a kind of thing and not of this image: "Xs are often seen in Y", "In X, Y is seen"."""

from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Role

CONCEPT, COMMA, DENY_FORWARD = Role.CONCEPT, Role.COMMA, Role.DENY_FORWARD
_OF_ONE = (
    COMMA
    | DENY_FORWARD
    | Role.BREAK
    | Role.PREPOSITION
    | Role.SIDE
    | Role.SEVERITY
    | Role.NUMBER
    | Role.CHANGE
    | Role.ANAPHOR
    | Role.REPORT
    | Role.AFFIRM_BACKWARD
    | Role.PERCEIVE
    | Role.WITH
)
"""What the subject of a general truth does not have."""
_QUALIFIES = Role.STATE | Role.ACUTE | Role.CHRONIC | Role.WORD
_NAMES = CONCEPT | Role.STATE
_AN, _THE = len("a "), len("the ")
_TO_BE = frozenset({"be", "exist"})
_CASE = ("in", "case", "of")
_IN = frozenset({("in",), ("in", "patient", "with"), _CASE})
_NORMAL, _SHOWS = "normal", frozenset({"show", "display", "demonstrate", "exhibit", "reveal"})
_INDICATE, _SIMILAR = "indicate", "similar"
_SHOULD = "should"
RELATIVES = frozenset({"that", "which"})


def may_generalise(items: Items) -> bool:
    """Return whether a sentence begins like a general truth or a supposition."""
    if not items.entries:
        return False
    first = items.words[0]
    return items.entries[0].phrase in _IN or first in {_SHOULD, _NORMAL} or _INDICATE in items.words


def is_of_a_kind(items: Items, index: int) -> bool:
    """Return whether the subject of a verb is a kind and no finding: "Xs are often ...", not "the X", "stable Xs"."""
    begins = items.starts[0] < _THE and items.entries[index].phrase[0] not in RELATIVES
    return begins and not any(role & _OF_ONE for role in items.roles[:index])


def tells_of_a_kind(items: Items) -> bool:
    """Return whether a sentence tells of cases like X: "In X, ...", "Should an X be seen, ...", "An X indicates Y".

    One that denies something and does not begin with "a" tells of the image.
    """
    if items.starts[0] < _AN and any(role & DENY_FORWARD for role in items.roles):
        return False
    if items.words[0] == _SHOULD:
        return _names_kind(items) and bool(_TO_BE.intersection(items.words))
    if items.entries[0].phrase in _IN:
        compares = items.entries[0].phrase != _CASE or _SIMILAR in items.words
        return compares and _names_kind(items) and items.starts[1] - items.ends[0] <= _THE
    verb = next((at for at, entry in enumerate(items.entries) if entry.phrase == (_INDICATE,)), 0)
    if not verb and items.starts[0] == _AN and items.words[0] == _NORMAL:
        verb = next((at for at, entry in enumerate(items.entries) if entry.phrase[0] in _SHOWS), 0)
    return any(role & _NAMES for role in items.roles[:verb]) and is_of_a_kind(items, verb)


def _names_kind(items: Items) -> bool:
    """Return whether the second thing that a sentence names is a finding, set off from what follows."""
    kind = next((at for at, role in enumerate(items.roles) if at and not role & _QUALIFIES), 0)
    set_off = items.words[0] == _SHOULD or any(role & COMMA for role in items.roles[kind + 1 : kind + 2])
    return set_off and bool(items.roles[kind] & CONCEPT)
