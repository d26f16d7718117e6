"""Who denies whom: which items of a sentence stand under a denial or a hedge (what asserts nothing: silence.py).

Follows ConText (Harkema et al. 2009): a forward cue reaches to the end of its clause or list, a backward cue
("... is not seen") to the coordinated subjects before it.
"""

from dataclasses import dataclass

from cxr.miner.language.denials import ALTERNATIVE, deny_behind_non, looks_back, reach_forward
from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Entry, Role, load_lexicon
from cxr.miner.language.masks import (
    AFFIRM,
    BACKWARD,
    COLON,
    COMMA,
    CONCEPT,
    CONJUNCTION,
    COPULA,
    DENY_BACKWARD,
    FORWARD,
    MENTION,
    MODIFIER,
    PART,
    SEVERITY,
    STATE,
    STOP,
    WITH,
)
from cxr.miner.language.options import silence_options
from cxr.miner.language.presupposed import keep_denied
from cxr.miner.language.references import ANAPHOR, before_aside, is_normal, of_the_above, seen_elsewhere
from cxr.miner.language.silence import NONE, NOTHING_SENTENCE, OPTION, plans, silence
from cxr.miner.pack import pack

_CHOICE = CONJUNCTION | Role.PREPOSITION | Role.PROBABLE | Role.HEDGE_FORWARD | Role.HEDGE_BACKWARD
_RELATIVE = frozenset({("which",), ("but",), ("however",)})
_WHICH = ("which",)
_AWAY = frozenset({("from",), ("to",), ("than",)})
PLACING = frozenset({("of",), ("in",), ("within",)})
_CHOOSES = ALTERNATIVE | {("over",), ("than",)}
_FAVOR = "favor"
_NOT_CHANGED = frozenset({"no", "without"})
_INTRODUCES = COLON | Role.PROBABLE | Role.HEDGE_FORWARD | Role.CAUSE
_NON, _OPEN = "non", ("(",)
_MAKES = frozenset({"make", "making", "made", "render", "rendering", "rendered", "deem", "deeming"})
UNDECIDED = frozenset({("versus",), ("vs",)})


@dataclass(slots=True)
class Scopes:
    """What the cues of a sentence make of each item; silent are the parts that assert nothing."""

    denied: list[bool]
    hedged: list[bool]
    alternative: list[bool]
    """Hedged only as one of two ("X versus Y")."""
    silent: list[bool]
    sought: list[int]
    """Silent parts of which a later "none was seen" speaks, numbered by the plan that names them; else 0."""
    cue: list[int]
    """Index of the cue that denies or hedges the item, or -1."""


def ends_as_adjective(entry: Entry) -> bool:
    """Return whether a structure is named by an adjective, which needs a noun after it."""
    return entry.phrase[-1].endswith(pack().anatomy.adjective_endings)


def read_scopes(items: Items) -> Scopes:
    """Resolve every cue of a sentence."""
    total = len(items.roles)
    scopes = Scopes(
        [False] * total, [False] * total, [False] * total, [False] * total, sought=[0] * total, cue=[-1] * total
    )
    union = items.union
    if plans(items):
        silence(items, scopes.silent, scopes.sought)
    if union & FORWARD or (union & COLON and items.roles[0] & DENY_BACKWARD):
        reach_forward(items, scopes)
        if _NON in items.words:
            deny_behind_non(items, scopes)
    if union & BACKWARD:
        for index, roles in enumerate(items.roles):
            if roles & BACKWARD and not (roles & FORWARD and not looks_back(items, index)):
                _apply_backward(items, scopes, index)
    if union & _CHOICE:
        _alternatives(items, scopes)
    if union & NOTHING_SENTENCE:
        keep_denied(items, scopes.silent, scopes.denied, scopes.cue)
    if union & OPTION or items.option:
        silence_options(items, scopes.silent, scopes.sought, scopes.denied)
    return scopes


def subjects(items: Items, index: int, wanted: int) -> list[int]:
    """Return the items with a wanted role that a predicate at `index` speaks about: the list before it."""
    roles = items.roles
    found: list[int] = []
    joined = own_copula = False
    position = index - 1
    while position >= 0:
        role = roles[position]
        if role & Role.PREPOSITION and items.entries[position].phrase in _AWAY:
            found.clear()  # "unchanged from the previous image": a comparison is no subject
        if role & STOP or (role & (WITH | COLON) and found):
            break  # a heading ("Z: Y is normal") is no second subject
        if role & COPULA:
            if found or own_copula:
                break
            own_copula = position < index - 1 and not roles[position + 1] & Role.WORD
        elif role & wanted:
            if not (role & PART and _is_place_of_subject(items, position)):
                found.append(position)
        elif role & CONJUNCTION:
            joined = True
        elif role & COMMA and found and not joined and items.entries[position].phrase != _OPEN:  # "X (another name)"
            if not _list_continues(items, position, wanted):
                break
        elif (
            role & (BACKWARD | AFFIRM)
            and not role & (STATE | CONCEPT | PART | SEVERITY)
            and position < index - 1
            and found
        ):
            break
        position -= 1
    return found[::-1]


def _is_place_of_subject(items: Items, position: int) -> bool:
    """Return whether a structure only says where another one is: the Z of "structures of Y of the Z"."""
    before = position - 1
    while before >= 0 and items.roles[before] & Role.SIDE:
        before -= 1
    return before > 0 and items.entries[before].phrase in PLACING and bool(items.roles[before - 1] & PART)


def _list_continues(items: Items, position: int, wanted: int) -> bool:
    """Return whether the words before a comma are more of the same list and not a statement of their own."""
    for index in range(position - 1, -1, -1):
        role = items.roles[index]
        if role & wanted:
            return not role & CONCEPT
        if role & (COPULA | STOP | STATE | WITH):
            return False
    return False


def _apply_backward(items: Items, scopes: Scopes, index: int) -> None:
    if items.union & ANAPHOR and of_the_above(items, index):
        return
    roles = items.roles[index]
    before = items.roles[index - 1] if index else 0
    verb = before_aside(items, index)
    targets = [at for at in subjects(items, verb, MENTION | STATE) if _names_something(items, at)]
    made = max((at for at in range(verb) if items.entries[at].phrase[-1] in _MAKES), default=-1)
    targets = [at for at in targets if at > made]  # "a small X makes Y unlikely"
    relative = not targets
    if relative:
        targets = across_relative(items, index, MENTION) or over_relative(items, index, MENTION)
    if targets and not is_normal(items, targets[-1]):
        targets = [at for at in targets if not is_normal(items, at)]  # "clear Y makes X unlikely"
    if not targets or (roles & STATE and not before & (COPULA | COLON | CONCEPT)):
        return
    for target in targets:
        if roles & NONE and scopes.sought[target]:
            continue  # "X was looked for, and none was seen" is an answer
        if roles & DENY_BACKWARD and (seen_elsewhere(items, target, index) or _of_another_day(items, index)):
            continue
        if roles & DENY_BACKWARD:
            scopes.silent[verb:index] = [True] * (index - verb)  # "X, which would suggest Y, is absent"
            scopes.denied[target] = True
            if relative:
                scopes.silent[target], scopes.sought[target] = False, 0  # "look for X, which is not seen"
        elif not scopes.denied[target]:
            scopes.hedged[target] = True
        scopes.cue[target] = index


def _of_another_day(items: Items, index: int) -> bool:
    """Return whether a denial is about an earlier image: "not seen three months ago"."""
    for role in items.roles[index + 1 :]:
        if role & Role.ANOTHER_DAY:
            return True
        if role & (MENTION | COMMA | STOP | COPULA):
            return False
    return False


def _names_something(items: Items, index: int) -> bool:
    """Return whether an item is a mention, or an adjective that makes one of its structure ("enlarged Y")."""
    if items.roles[index] & MENTION:
        return True
    for role in items.roles[index + 1 :]:
        if role & PART:
            return True
        if not role & MODIFIER:
            return False
    return False


def over_relative(items: Items, index: int, wanted: int) -> list[int]:
    """Find the subject of a predicate behind a relative clause: the X of "X, which was ..., has gone"."""
    if not items.roles[index - 1] & COMMA:
        return []
    which = next((at for at in range(index - 2, 0, -1) if items.entries[at].phrase == _WHICH), -1)
    if which <= 0 or not items.roles[which - 1] & COMMA or any(r & wanted for r in items.roles[which:index]):
        return []
    return subjects(items, which, wanted)


def across_relative(items: Items, index: int, wanted: int) -> list[int]:
    """Find what "which is not seen", "but not excluded" speak of: the mentions before "which" or "but"."""
    position = index - 1
    while position >= 0 and items.roles[position] & (COPULA | Role.WORD | AFFIRM):
        position -= 1
    if position > 0 and items.entries[position].phrase in _RELATIVE:
        return subjects(items, position, wanted)
    return []


def _preferred(items: Items, index: int) -> bool:
    """Return whether "than" or "over" sets what follows behind what is more likely: "favor X over Y"."""
    before = items.entries[:index]
    if items.entries[index].phrase == ("over",):
        return any(entry.phrase[-1].startswith("favor") for entry in before if entry.phrase)
    return items.entries[index].phrase == ("than",) and any("likely" in entry.phrase for entry in before)


def _alternatives(items: Items, scopes: Scopes) -> None:
    """Hedge both sides of "X versus Y" and "X or Y" where they are asserted, and the second of "X over Y"."""
    for index, entry in enumerate(items.entries):
        if entry.phrase not in _CHOOSES:
            continue
        if _preferred(items, index):
            right = _neighbour(items, index, 1)
            if right >= 0 and not scopes.denied[right]:
                scopes.hedged[right] = scopes.alternative[right] = True
            _assert_favored(items, scopes, index)
        if entry.phrase not in ALTERNATIVE or _without_change(items, index):
            continue
        right = _neighbour(items, index, 1)
        for listed in _listed_before(items, index) if right >= 0 and not scopes.denied[right] else ():
            if not (scopes.denied[listed] or scopes.hedged[listed]):
                scopes.hedged[listed] = scopes.alternative[listed] = scopes.hedged[right] = True
                scopes.alternative[right] = True
        left = _neighbour(items, index, -1)
        undecided = entry.phrase in UNDECIDED or (left >= 0 and weighs_adjective(items, index))
        if max(left, right) < 0 or (min(left, right) < 0 and not undecided):
            continue  # "X versus something" is undecided even where one of the two has no name
        if undecided or not (scopes.denied[left] or scopes.denied[right]):
            for side in (left, right):
                if side >= 0 and not scopes.denied[side] and not scopes.hedged[side]:
                    scopes.hedged[side] = scopes.alternative[side] = True


def weighs_adjective(items: Items, index: int) -> bool:
    """Return whether "or" weighs a finding before it against an adjective that stands for another: "X or striping"."""
    phrase = items.entries[index].phrase
    if phrase in UNDECIDED or phrase not in ALTERNATIVE or index + 1 >= len(items.roles):
        return phrase in UNDECIDED
    state = items.entries[index + 1].state
    bare = items.roles[index + 1] & STATE and not items.roles[index + 1] & CONCEPT
    after = items.roles[index + 2] if index + 2 < len(items.roles) else 0
    return bool(bare and state is not None and not state.normal and not after & (PART | CONCEPT | STATE))


def _assert_favored(items: Items, scopes: Scopes, index: int) -> None:
    """Assert what is favored over something that is named: "favor X over Y"."""
    if items.entries[index].phrase != ("over",):
        return
    for at in range(index):
        cue = scopes.cue[at]
        if scopes.hedged[at] and cue >= 0 and any(word.startswith(_FAVOR) for word in items.entries[cue].phrase):
            scopes.hedged[at] = False


def _without_change(items: Items, index: int) -> bool:
    """Return whether both sides of "or" are there unchanged: "no change in X or Y"."""
    for at in range(index - 1, -1, -1):
        role = items.roles[at]
        if role & Role.CHANGE and items.entries[at].phrase[0] in _NOT_CHANGED:
            return True
        if not role & (CONCEPT | MODIFIER | COMMA | CONJUNCTION):
            return False
    return False


def _listed_before(items: Items, index: int) -> list[int]:
    """Return the earlier members of a list that ends in "or": "X, Y, or Z", ": X, Y or Z", "may be X, Y or Z".

    What the others are kinds of is no member, but what they may mean: "opacities, X, or Y".
    """
    roles = items.roles
    oxford = bool(index and roles[index - 1] & COMMA)
    found: list[int] = []
    position = index - 2 if oxford else index - 1
    while position >= 0:
        role = roles[position]
        if role & CONCEPT:
            found.append(position)
        elif not role & (MODIFIER | COMMA | Role.PREPOSITION) or (role & COMMA and not found):
            break
        position -= 1
    introduced = position >= 0 and roles[position] & _INTRODUCES
    if not found or not (oxford or (introduced and len(found) > 1)):
        return []
    ancestors = load_lexicon().ancestors
    named = [items.entries[at].concepts[0] for at in found]
    right = _neighbour(items, index, 1)
    named.append(items.entries[right].concepts[0] if right >= 0 and items.entries[right].concepts else named[0])
    wider = {general for name in named for general in ancestors[name] if general != name}
    return [at for at, name in zip(found, named, strict=False) if name not in wider or introduced]


def _neighbour(items: Items, index: int, step: int) -> int:
    position = index + step
    while 0 <= position < len(items.roles):
        role = items.roles[position]
        if role & CONCEPT:
            return position
        if not role & (MODIFIER | Role.PREPOSITION) or role & COMMA:
            return -1
        position += step
    return -1
