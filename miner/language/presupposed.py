"""What a sentence says though it seems to state nothing: "I recommend Y for the large X that is seen"."""

from collections.abc import Sequence

from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Role
from cxr.miner.language.masks import MODIFIER

CONCEPT, AFFIRM, DENY_FORWARD = Role.CONCEPT, Role.AFFIRM_BACKWARD, Role.DENY_FORWARD
NOTHING_SENTENCE, IMPERATIVE = Role.NOTHING_SENTENCE, Role.IMPERATIVE
_BEHIND = MODIFIER | Role.PREPOSITION | Role.COPULA
_DOUBTS = Role.HEDGE_BACKWARD | Role.HEDGE_FORWARD | Role.DENY_FORWARD | Role.DENY_BACKWARD | Role.PAST
_OPEN = frozenset({"any", "whether", "if", "would", "could", "might", "may", "should"})
_THE = len(" the ")


def reveal(items: Items, silent: list[bool], sought: list[int]) -> None:
    """Mark as stated what stands with "the" and is said to be there, whatever else the sentence only plans."""
    for index, role in enumerate(items.roles):
        if role & CONCEPT and silent[index] and _is_there(items, index):
            silent[index], sought[index] = False, 0


def _is_there(items: Items, index: int) -> bool:
    first = index
    while first and items.roles[first - 1] & (MODIFIER | AFFIRM) and not _begins(items, first):
        first -= 1
    if not _begins(items, first):
        return False
    if any(role & AFFIRM for role in items.roles[first:index]):
        return True  # "the obvious X"
    for at in range(index + 1, len(items.roles)):
        role = items.roles[at]
        if role & _DOUBTS or items.entries[at].phrase[0] in _OPEN:
            return False
        if role & AFFIRM:
            return True  # "the X that is seen"
        if not role & _BEHIND:
            return False
    return False


def _begins(items: Items, index: int) -> bool:
    """Return whether an article of four signs, "the", stands before an item: articles are no items."""
    return items.starts[index] - (items.ends[index - 1] if index else -1) >= _THE


def keep_denied(items: Items, silent: list[bool], denied: Sequence[bool], cue: Sequence[int]) -> None:
    """Keep what a sentence denies before it explains: "no X that would suggest Y"."""
    explains = next((at for at, role in enumerate(items.roles) if role & NOTHING_SENTENCE), -1)
    if explains <= 0 or items.roles[0] & IMPERATIVE:
        return
    for index, is_denied in enumerate(denied):
        if is_denied and 0 <= cue[index] < explains and items.roles[cue[index]] & DENY_FORWARD:
            silent[index] = False
