"""Changes that a verb or a heading says of mentions: "X has been removed", "Resolved: X", "removal of X and Y"."""

from cxr.miner.language.course import compares_sides
from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Role, load_lexicon
from cxr.miner.language.scopes import across_relative, over_relative, subjects
from cxr.schemas import Change

CONCEPT, PART, COLON, REMOVAL = Role.CONCEPT, Role.PART, Role.COLON, Role.REMOVAL
_PREDICATES = frozenset({"has", "have", "was", "no", "were", "removed", "resolved"})
_CONCLUDES = Role.PROBABLE | Role.HEDGE_FORWARD
_THAT = ("that",)
_MEANS = Role.PROBABLE
_ENDS_LIST = Role.COPULA | Role.BREAK | Role.WITH | Role.DENY_FORWARD | Role.COLON | Role.CHANGE | Role.PREPOSITION


def said_changes(items: Items, silent: list[bool]) -> dict[int, Change]:
    """Return a change that is said of several mentions to each ("X and Y have been removed").

    What has gone since another day is told, though that day is silent ("on the prior study there was X, which ...").
    """
    changes: dict[int, Change] = {}
    for index, role in enumerate(items.roles):
        if role & REMOVAL and not any(at == index + 1 for at, _ in items.sizes):  # "withdrawn 3 cm"
            taken = subjects(items, index, CONCEPT) or _before_which(items, index)
            changes |= {at: Change.RESOLVED for at in taken if _is_device(items, at)}
        change = items.entries[index].change
        if change is None or compares_sides(items, index):
            continue
        for at in _list_behind(items, index):
            changes.setdefault(at, change)
        if not index:
            continue
        attributive = items.roles[index - 1] & _CONCLUDES  # "suggesting a resolved Y" says nothing of X
        said = (role | items.roles[index - 1]) & Role.COPULA or items.entries[index].phrase[0] in _PREDICATES
        if not said or attributive:
            continue
        named = _behind_conclusion(items, subjects(items, index, CONCEPT), index)
        before = [] if named else _before_which(items, index) or over_relative(items, index, CONCEPT)
        for subject in named or before:
            changes.setdefault(subject, change)
        if change is Change.RESOLVED and named:
            changes |= dict.fromkeys(_meant_by(items, index), change)
        if change is Change.RESOLVED:
            for subject in before:
                silent[subject] = False
    return changes


def _behind_conclusion(items: Items, named: list[int], index: int) -> list[int]:
    """Leave out what stands before a conclusion where "that" stands for the last: "X, indicating Y that has gone"."""
    if _THAT not in (items.entries[at].phrase for at in range(max(0, index - 2), index)):
        return named
    last = max((at for at in range(index) if items.roles[at] & _CONCLUDES), default=-1)
    return [at for at in named if at > last]


def _meant_by(items: Items, index: int) -> list[int]:
    """Return what something that has gone is said to have been: "X has cleared, in keeping with Y"."""
    means = next((at for at in range(index + 1, min(index + 3, len(items.roles))) if items.roles[at] & _MEANS), -1)
    if means < 0:
        return []
    for at in range(means + 1, len(items.roles)):
        if items.roles[at] & CONCEPT:
            return [at]
        if items.roles[at] & _ENDS_LIST:
            break
    return []


def _is_device(items: Items, index: int) -> bool:
    return load_lexicon().concepts[items.entries[index].concepts[0]].kind == "device"


def _list_behind(items: Items, index: int) -> list[int]:
    """Return the mentions that a change before them is said of: "removal of X and Y", "Resolved: X, Y"."""
    roles = items.roles
    heads = index + 1 < len(roles) and roles[index + 1] & COLON and not any(role & CONCEPT for role in roles[:index])
    if not heads and items.entries[index].phrase[-1:] != ("of",):
        return []
    found: list[int] = []
    for at in range(index + 2 if heads else index + 1, len(roles)):
        if roles[at] & _ENDS_LIST:
            break
        if roles[at] & CONCEPT:
            found.append(at)
    return found


def _before_which(items: Items, index: int) -> list[int]:
    """Return the mentions that "which is unchanged" speaks of; none where "which" stands for a structure."""
    targets = [] if items.roles[index] & Role.COPULA else across_relative(items, index, CONCEPT)
    if not targets:
        return []
    between = items.roles[targets[-1] + 1 : index]
    placed = any(role & Role.PREPOSITION for role in between)  # "X in the left Y, which is stable"
    return targets if placed or not any(role & PART for role in between) else []
