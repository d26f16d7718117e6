"""Who denies whom: which items of a sentence stand under a denial or a hedge (what asserts nothing: silence.py).

Follows ConText (Harkema et al. 2009): a forward cue reaches to the end of its clause or list, a backward cue
("... is not seen") to the coordinated subjects before it.
"""

from dataclasses import dataclass

from cxr.miner.language.conclusions import concludes_anew
from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Entry, Role
from cxr.miner.language.options import silence_options
from cxr.miner.language.references import (
    ANAPHOR,
    PRONOUNS,
    before_aside,
    is_normal,
    of_the_above,
    seen_elsewhere,
)
from cxr.miner.language.silence import NOTHING_SENTENCE, OPTION, keep_denied, plans, silence
from cxr.miner.pack import pack

MENTION = int(Role.CONCEPT | Role.GENERIC)
_STOP = int(Role.BREAK)
_BACKWARD = int(Role.DENY_BACKWARD | Role.HEDGE_BACKWARD)
_FORWARD = int(Role.DENY_FORWARD | Role.HEDGE_FORWARD | Role.HEDGE_LIST)
_LIST = int(Role.COMMA | Role.CONJUNCTION)
_MODIFIER = int(
    Role.SIDE
    | Role.SEVERITY
    | Role.NUMBER
    | Role.CHANGE
    | Role.PART
    | Role.STATE
    | Role.ACUTE
    | Role.CHRONIC
    | Role.WORD
)
CONCEPT, PART, STATE, SEVERITY, CHANGE = map(int, (Role.CONCEPT, Role.PART, Role.STATE, Role.SEVERITY, Role.CHANGE))
COMMA, CONJUNCTION, COPULA, COLON, WITH = map(int, (Role.COMMA, Role.CONJUNCTION, Role.COPULA, Role.COLON, Role.WITH))
DENY_FORWARD, DENY_BACKWARD = int(Role.DENY_FORWARD), int(Role.DENY_BACKWARD)
HEDGE_FORWARD, HEDGE_BACKWARD = int(Role.HEDGE_FORWARD), int(Role.HEDGE_BACKWARD)
AFFIRM = int(Role.AFFIRM_BACKWARD)
CAUSE = int(Role.CAUSE)
CONFIRM = int(Role.CONFIRM)
_POINTING = PRONOUNS | {"this", "these"}
_CONCLUDES = int(Role.PROBABLE | Role.HEDGE_FORWARD)
_ALTERNATIVE = frozenset({("or",), ("versus",), ("vs",), ("and", "or")})
_RELATIVE = frozenset({("which",), ("but",), ("however",)})
_AWAY = frozenset({("from",), ("to",), ("than",)})
_TO_BE = frozenset({"is", "are"})
PLACING = frozenset({("of",), ("in",), ("within",)})
_UNDECIDED = frozenset({("versus",), ("vs",)})


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
    if union & _FORWARD:
        _forward(items, scopes)
    if union & _BACKWARD:
        for index, roles in enumerate(items.roles):
            if roles & _BACKWARD and not (roles & _FORWARD and not _looks_back(items, index)):
                _apply_backward(items, scopes, index)
    if union & CONJUNCTION:
        _alternatives(items, scopes)
    if union & NOTHING_SENTENCE:
        keep_denied(items, scopes.silent, scopes.denied, scopes.cue)
    if union & OPTION or items.option:
        silence_options(items, scopes.silent, scopes.sought, scopes.denied)
    return scopes


def _looks_back(items: Items, index: int) -> bool:
    """Decide for a cue that can work both ways ("absent", "possible", "no") whether it closes a statement."""
    roles = items.roles
    before = roles[index - 1] if index else 0
    if items.entries[index].phrase == ("no",) and index + 1 < len(roles) and not roles[index + 1] & (COMMA | _STOP):
        return False
    if not before or before & (_STOP | Role.PREPOSITION | COMMA):
        return False
    follows = index + 1
    # "no noticeable X", "no observed X": a participle before its noun is a qualifier
    # and so are two joined ones: "no patchy or streaky X"
    while (
        follows < len(roles)
        and roles[follows] & (_MODIFIER | AFFIRM | CONJUNCTION)
        and not roles[follows] & (PART | STATE)
    ):
        follows += 1
    ahead = roles[follows] if follows < len(roles) else _STOP
    return not ahead & (MENTION | PART | STATE | Role.DENY_FORWARD | HEDGE_FORWARD)


def _forward(items: Items, scopes: Scopes) -> None:
    deny = hedge = -1
    deny_used = hedge_used = lasting = False
    roles = items.roles
    for index, role in enumerate(roles):
        if deny_used and role & (_CONCLUDES | CONFIRM) and concludes_anew(items, index, deny):
            deny = -1
        if role & _FORWARD and not (role & _BACKWARD and _looks_back(items, index)):
            if role & DENY_FORWARD:
                deny, deny_used = index, False
            else:
                hedge, hedge_used = index, False
                lasting = bool(role & Role.HEDGE_LIST)
                deny = -1 if role & _STOP else deny
        elif role & _STOP:
            deny = hedge = -1
        elif role & (COPULA | WITH | CAUSE) and deny_used and not (role & COPULA and affirmed(items, index)):
            deny = -1
        elif role & _LIST:
            if deny >= 0 and deny_used and _ends_denial(items, index):
                deny = -1
            reached = hedge >= 0 and (hedge_used or index - hedge > 1)
            if reached and role & COMMA and not lasting and not _or_follows(items, index + 1):
                hedge = -1
        scopes.denied[index] = deny >= 0
        scopes.hedged[index] = hedge >= 0
        scopes.cue[index] = deny if deny >= 0 else hedge
        if role & (MENTION | OPTION):
            deny_used = hedge_used = True
        elif role & STATE and deny >= 0 and not _leads_to_mention(items, index):
            deny_used = True


def _ends_denial(items: Items, index: int) -> bool:
    """Return whether a comma or "and" ends a denial: after "no X is seen", or before a new statement."""
    closed = items.roles[index] & COMMA and index and items.roles[index - 1] & AFFIRM
    return bool(closed) or _begins_statement(items, index)


def _or_follows(items: Items, index: int) -> bool:
    """Return whether a list that a comma continues ends in "or ..."."""
    for position in range(index, len(items.roles)):
        if items.entries[position].phrase in _ALTERNATIVE:
            return True
        if items.roles[position] & (_STOP | COPULA | WITH | DENY_FORWARD):
            return False
    return False


def _leads_to_mention(items: Items, index: int) -> bool:
    for role in items.roles[index + 1 :]:
        if role & MENTION:
            return True
        if not role & _MODIFIER:
            return False
    return False


def affirmed(items: Items, index: int) -> bool:
    """Return whether a copula only rounds a denial off ("no X is seen")."""
    for role in items.roles[index + 1 : index + 4]:
        if role & (AFFIRM | DENY_BACKWARD):
            return True
        if not role & (Role.WORD | COPULA | CHANGE):
            return False
    return False


def _begins_statement(items: Items, index: int) -> bool:
    """Return whether the part after a comma or "and" is a new statement rather than the next in a denied list."""
    roles, entries = items.roles, items.entries
    start = index
    alternative = False
    while start < len(roles) and roles[start] & _LIST:
        alternative = alternative or entries[start].phrase in _ALTERNATIVE
        start += 1
    if start >= len(roles):
        return False
    if alternative or _has_predicate(items, start):
        return _has_predicate(items, start)
    points = roles[start] & ANAPHOR and entries[start].phrase[0] in _POINTING and not roles[start - 1] & CONJUNCTION
    if points or (start == index + 1 and roles[index] & COMMA and _is_affirmed(items, start)):
        return True  # "no X, this Y ..."; "although there is no X, Y is present"
    first, state = roles[start], entries[start].state
    if state is not None and state.normal:
        return True
    if not first & (SEVERITY | CHANGE) or first & DENY_FORWARD:
        return False
    return not _alternative_follows(items, start)  # "no X, small left Y"


def _is_affirmed(items: Items, start: int) -> bool:
    """Return whether the part from an item is "... is present" by itself, without more members of a list."""
    for index in range(start, len(items.roles)):
        role = items.roles[index]
        said = role & AFFIRM and items.entries[index].phrase[0] in _TO_BE  # "is present" is one phrase
        if said or role & COPULA:
            return bool(said or affirmed(items, index)) and not any(r & DENY_BACKWARD for r in items.roles[index:])
        if role & (_LIST | _STOP | WITH | DENY_FORWARD):
            return False
    return False


def _alternative_follows(items: Items, start: int) -> bool:
    for role, entry in zip(items.roles[start:], items.entries[start:], strict=True):
        if role & (_STOP | WITH):
            return False
        if entry.phrase in _ALTERNATIVE:
            return True
    return False


def _has_predicate(items: Items, start: int) -> bool:
    """Return whether a statement of its own ("Y is normal", "Y clear") begins at an item."""
    saw_part = False
    for index in range(start, len(items.roles)):
        role = items.roles[index]
        if role & (_LIST | _STOP | WITH | DENY_FORWARD) and not (role & CONJUNCTION and saw_part):
            return False
        if role & COPULA:
            return not affirmed(items, index)
        if role & MENTION:
            saw_part = False
        elif role & PART:
            saw_part = True
        elif role & STATE and saw_part:
            state = items.entries[index].state
            return state is not None and (state.normal or index + 1 == len(items.roles))
    return False


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
        if role & _STOP or (role & (WITH | COLON) and found):
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
        elif role & COMMA and found and not joined:
            if not _list_continues(items, position, wanted):
                break
        elif (
            role & (_BACKWARD | AFFIRM)
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
        if role & (COPULA | _STOP | STATE | WITH):
            return False
    return False


def _apply_backward(items: Items, scopes: Scopes, index: int) -> None:
    if items.union & ANAPHOR and of_the_above(items, index):
        return
    roles = items.roles[index]
    before = items.roles[index - 1] if index else 0
    verb = before_aside(items, index)
    targets = [at for at in subjects(items, verb, MENTION | STATE) if _names_something(items, at)]
    relative = not targets
    if relative:
        targets = across_relative(items, index, MENTION)
    if targets and not is_normal(items, targets[-1]):
        targets = [at for at in targets if not is_normal(items, at)]  # "clear Y makes X unlikely"
    if not targets or (roles & STATE and not before & (COPULA | COLON | CONCEPT)):
        return
    for target in targets:
        if roles & DENY_BACKWARD and seen_elsewhere(items, target, index):
            continue
        if roles & DENY_BACKWARD:
            scopes.denied[target] = True
            if relative:
                scopes.silent[target], scopes.sought[target] = False, 0  # "look for X, which is not seen"
        elif not scopes.denied[target]:
            scopes.hedged[target] = True
        scopes.cue[target] = index


def _names_something(items: Items, index: int) -> bool:
    """Return whether an item is a mention, or an adjective that makes one of its structure ("enlarged Y")."""
    if items.roles[index] & MENTION:
        return True
    for role in items.roles[index + 1 :]:
        if role & PART:
            return True
        if not role & _MODIFIER:
            return False
    return False


def across_relative(items: Items, index: int, wanted: int) -> list[int]:
    """Find what "which is not seen", "but not excluded" speak of: the mentions before "which" or "but"."""
    position = index - 1
    while position >= 0 and items.roles[position] & (COPULA | Role.WORD | AFFIRM):
        position -= 1
    if position > 0 and items.entries[position].phrase in _RELATIVE:
        return subjects(items, position, wanted)
    return []


def _alternatives(items: Items, scopes: Scopes) -> None:
    """Hedge both sides of "X versus Y" and "X or Y" where they are asserted."""
    for index, entry in enumerate(items.entries):
        if entry.phrase not in _ALTERNATIVE:
            continue
        left = _neighbour(items, index, -1)
        right = _neighbour(items, index, 1)
        undecided = entry.phrase in _UNDECIDED
        if max(left, right) < 0 or (min(left, right) < 0 and not undecided):
            continue  # "X versus something" is undecided even where one of the two has no name
        if undecided or not (scopes.denied[left] or scopes.denied[right]):
            for side in (left, right):
                if side >= 0 and not scopes.denied[side] and not scopes.hedged[side]:
                    scopes.hedged[side] = scopes.alternative[side] = True


def _neighbour(items: Items, index: int, step: int) -> int:
    position = index + step
    while 0 <= position < len(items.roles):
        role = items.roles[position]
        if role & CONCEPT:
            return position
        if not role & (_MODIFIER | Role.PREPOSITION) or role & COMMA:
            return -1
        position += step
    return -1
