"""What was and is not asserted of this image: "recent X", "status post Y for X", "X is not mentioned"."""

from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Role

CONCEPT, COMMA, COPULA, BREAK = Role.CONCEPT, Role.COMMA, Role.COPULA, Role.BREAK
PAST_NEXT, NOTHING_BACKWARD = Role.PAST_NEXT, Role.NOTHING_BACKWARD
FOR = ("for",)
_DONE = frozenset({("status", "post"), ("s", "p"), ("after",), ("following",)})


def silence_past(items: Items, silent: list[bool], index: int) -> None:
    """Silence what is over ("recent X", "status post Y for X"), or what an item says that nothing is told of."""
    roles = items.roles
    if roles[index] & PAST_NEXT or _gives_reason(items, index):
        _silence_next(roles, silent, index)
    elif roles[index] & NOTHING_BACKWARD:
        start = next((at + 1 for at in range(index - 1, -1, -1) if roles[at] & (COMMA | BREAK)), 0)
        silent[start:index] = [True] * (index - start)


def _gives_reason(items: Items, index: int) -> bool:
    """Return whether "for" says why something was done: "status post X for Y"."""
    return items.entries[index].phrase == FOR and any(entry.phrase in _DONE for entry in items.entries[:index])


def _silence_next(roles: list[int], silent: list[bool], index: int) -> None:
    """Silence the mention that a word calls past: "recent X"."""
    for at in range(index + 1, len(roles)):
        silent[at] = True
        if roles[at] & CONCEPT:
            return
        if roles[at] & (COMMA | BREAK | COPULA):
            silent[index + 1 : at + 1] = [False] * (at - index)
            return
