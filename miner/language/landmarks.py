"""What the search for plans asks of a whole sentence, found in one pass, so that its time stays linear."""

from typing import NamedTuple

from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Role

CONJUNCTION, COMMA, COPULA, BREAK = Role.CONJUNCTION, Role.COMMA, Role.COPULA, Role.BREAK
STATE, REPORT, DENY_FORWARD = Role.STATE, Role.REPORT, Role.DENY_FORWARD
_ENDS = Role.AFFIRM_BACKWARD | Role.DENY_BACKWARD
_VERB = COPULA | _ENDS | DENY_FORWARD | REPORT | BREAK | Role.NONE | Role.PROBABLE
_PREDICATE = COPULA | _ENDS | REPORT
_STATES = COPULA | DENY_FORWARD | _ENDS | STATE
_STATED = DENY_FORWARD | _ENDS | Role.REPORT | Role.CHOSEN | Role.PROBABLE | Role.PERCEIVE
BRACKETS = frozenset({("(",), (")",)})
_EXISTS = "there"


class Landmarks(NamedTuple):
    """Where things stand in a sentence, by the index of its items."""

    stated_from: int
    """The item that completes the first whole statement ("X is seen", "no X", "Y shows X"); behind the end if none."""
    last_statement: int
    """The last item that may state something, or -1."""
    list_goes_on: list[bool]
    """For a comma: whether a list goes on behind it that ends in "or" or "and", without a verb between."""


def landmarks(items: Items) -> Landmarks:
    """Return the landmarks of a sentence; found once."""
    if items.landmarks is None:
        items.landmarks = Landmarks(_stated_from(items), _last_statement(items), _lists(items))
    return items.landmarks


def _stated_from(items: Items) -> int:
    copula = False
    for at, role in enumerate(items.roles):
        if role & _STATED or items.entries[at].phrase[0] == _EXISTS or (copula and role & STATE):
            return at
        copula = copula or bool(role & COPULA)
    return len(items.roles)


def _last_statement(items: Items) -> int:
    return max((at for at, role in enumerate(items.roles) if role & _STATES), default=-1)


def _lists(items: Items) -> list[bool]:
    goes_on = [False] * len(items.roles)
    listed = predicate = False
    for at in range(len(items.roles) - 1, -1, -1):
        role = items.roles[at]
        goes_on[at] = listed and bool(role & COMMA)
        if role & _VERB and not (role & STATE and not role & COPULA):
            listed = False
        elif role & CONJUNCTION:
            listed = not predicate
        predicate = not role & (COMMA | BREAK) and (predicate or bool(role & _PREDICATE))
    return goes_on
