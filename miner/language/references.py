"""What a predicate speaks of where its subject does not stand before it: "this option", "X, which may be Y, is ..."."""

from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Role, load_lexicon
from cxr.miner.language.masks import MODIFIER

ANAPHOR, COMMA, COPULA, BREAK = Role.ANAPHOR, Role.COMMA, Role.COPULA, Role.BREAK
CONCEPT, PART, AFFIRM = Role.CONCEPT, Role.PART, Role.AFFIRM_BACKWARD
PRONOUNS = frozenset({"it", "they"})
_BETWEEN = COPULA | AFFIRM | Role.SIGN | Role.GENERIC | (MODIFIER & ~PART)


def of_the_above(items: Items, index: int) -> bool:
    """Return whether the subject of a predicate is "this", "these features": what another sentence names."""
    for role, entry in zip(reversed(items.roles[:index]), reversed(items.entries[:index]), strict=True):
        if role & ANAPHOR:
            return entry.phrase[0] not in PRONOUNS
        if role & (CONCEPT | PART | COMMA | BREAK) or not role & _BETWEEN:
            return False
    return False


def before_aside(items: Items, index: int) -> int:
    """Return where an aside begins that stands between a predicate and its subject: "X, which may be Y, is absent"."""
    comma = index - 1
    while comma > 0 and items.roles[comma] & COPULA:
        comma -= 1
    if not items.roles[comma] & COMMA:
        return index
    for at in range(comma - 1, 0, -1):
        if items.entries[at].phrase[0] == "which":
            return at if items.roles[at - 1] & COMMA else index
        if items.roles[at] & (BREAK | AFFIRM):
            break
    return index


def is_normal(items: Items, index: int) -> bool:
    """Return whether an item calls something normal, by its own name or as an adjective."""
    entry = items.entries[index]
    if entry.concepts:
        return load_lexicon().concepts[entry.concepts[0]].kind == "normal"
    return entry.state is not None and entry.state.normal


def seen_elsewhere(items: Items, target: int, index: int) -> bool:
    """Return whether a denial is about another view only: "seen on the one view, not identified on the other"."""
    return bool(items.roles[index - 1] & COMMA) and any(role & AFFIRM for role in items.roles[target + 1 : index])
