"""What goes on behind a mention about itself: how large it is now, how it changed, where it is."""

from cxr.miner.language.entries import Role
from cxr.miner.language.items import Items
from cxr.miner.language.masks import MENTION, MODIFIER
from cxr.miner.pack import pack
from cxr.schemas import Change, Severity

QUALIFIER = Role.PART | Role.SIDE | Role.SEVERITY | Role.NUMBER | Role.CHANGE | Role.STATE
CONCEPT, PART, SIDE, COPULA = Role.CONCEPT, Role.PART, Role.SIDE, Role.COPULA
COMMA, CHANGE, SEVERITY, STATE = Role.COMMA, Role.CHANGE, Role.SEVERITY, Role.STATE
COURSE, EARLIER, CURRENTLY = Role.COURSE, Role.EARLIER, Role.CURRENTLY
_PLACING = (
    Role.PART | Role.SIDE | Role.PREPOSITION | Role.CONJUNCTION | Role.COMMA | Role.WORD | Role.SEVERITY | Role.BREAK
)
_ENDS_PLACES = Role.CONCEPT | Role.GENERIC | Role.STATE | Role.COPULA | Role.DENY_FORWARD
_ATTRIBUTES = (
    _PLACING | Role.NUMBER | Role.CHANGE | Role.COPULA | Role.COLON | Role.ACUTE | Role.CHRONIC | Role.AFFIRM_BACKWARD
)
_CLOSING = (
    Role.COMMA
    | Role.BREAK
    | Role.COLON
    | Role.SEVERITY
    | Role.CHANGE
    | Role.CONJUNCTION
    | Role.PREPOSITION
    | Role.COURSE
    | Role.EARLIER
    | Role.CURRENTLY
    | Role.SIDE
    | Role.CHRONIC
)
_LEADING = Role.WORD | Role.COPULA | Role.CONJUNCTION | Role.PREPOSITION
_DEGREES = Role.SEVERITY | Role.CHANGE | Role.COURSE | Role.STATE
_SAYS_MORE = _DEGREES | Role.PART | Role.SIDE | Role.NUMBER
_PERHAPS = Role.PROBABLE | Role.HEDGE_FORWARD
COLON, BREAK = Role.COLON, Role.BREAK
_STOPS = Role.BREAK | Role.COLON
_NEW = Role.CONCEPT | Role.GENERIC | Role.STATE | Role.DENY_FORWARD
_JOINS = Role.COMMA | Role.CONJUNCTION | Role.COPULA
_ADDS = frozenset({("but",), ("yet",), ("though",), ("although",), ("which",), ("now",)})
"""Words that add a second predicate to a structure."""
_RELATIVE = frozenset({("which",), ("but",), ("though",), ("although",)})
_TRENDS = frozenset({Change.WORSENED, Change.IMPROVED})
_THAN = Role.PREPOSITION | Role.WORD
_RANKS = tuple(Severity)
_PLACING_WORDS = frozenset({("in",), ("within",), ("at",), ("on",)})
_WAS = frozenset({("was",), ("were",), ("had", "been")})
_NOT = ("not",)
_FROM, _TO, _SINCE = ("from",), ("to",), ("since",)
_FEW = 6


def goes_on(items: Items, position: int) -> bool:
    """Return whether behind a comma, colon, "and" or "which" more is said of the mention before it."""
    role, follows = items.roles[position], position + 1
    if role & _PERHAPS:
        return _place_is_next(items, follows)
    if not items.union & _SAYS_MORE:
        return False
    if role & COLON:
        return _attributes_end_it(items, follows) or _value_follows(items, follows)
    if role & COMMA:
        return _goes_on_behind_comma(items, follows)
    if role & BREAK and items.entries[position].phrase == _SINCE:
        return _goes_on_behind_comparison(items, follows)
    return (not role & BREAK or items.entries[position].phrase in _RELATIVE) and _degree_follows(items, follows)


def _value_follows(items: Items, index: int) -> bool:
    """Return whether a degree or a change stands between a colon and a comma: "X: stable, Y ..."."""
    comma = index + 1
    value = comma < len(items.roles) and items.roles[index] & (SEVERITY | CHANGE) and items.roles[comma] & COMMA
    return bool(value)


def _goes_on_behind_comma(items: Items, index: int) -> bool:
    if index < len(items.roles) and items.roles[index] & _PERHAPS:
        return _place_is_next(items, index + 1)
    if _places_end_it(items, index):
        return True
    return bool(items.union & _DEGREES) and (_change_follows(items, index) or _degree_follows(items, index))


def _goes_on_behind_comparison(items: Items, index: int) -> bool:
    """Return whether a comma ends "since ..." and more is said of the mention: "X grew since May, now large"."""
    for at in range(index, min(index + _FEW, len(items.roles))):
        if items.roles[at] & COMMA:
            return goes_on(items, at)
        if items.roles[at] & _NEW:
            return False
    return False


def _place_is_next(items: Items, index: int) -> bool:
    """Return whether "in" comes next: "X, probably in the right Y"."""
    return index < len(items.roles) and items.entries[index].phrase in _PLACING_WORDS


def closes(items: Items, index: int) -> bool:
    """Return whether what stands before an item is said of what was before, not of a noun that follows."""
    if index >= len(items.roles):
        return True
    if not items.roles[index] & _CLOSING:
        return False
    if items.roles[index] & PART or leads_to_mention(items, index):
        return False
    side_of_part = items.roles[index] & SIDE and index + 1 < len(items.roles) and items.roles[index + 1] & PART
    return not side_of_part


def course_at(items: Items, position: int) -> Change | None:
    """Return the change that an item says of the mention before it; None where it speaks of something else."""
    entry = items.entries[position]
    course = entry.course or (entry.state.change if entry.state is not None else None)
    if course is None or compares_sides(items, position) or not closes(items, position + 1):
        return None
    return None if position + 1 < len(items.roles) and items.entries[position + 1].phrase == _TO else course


def compares_sides(items: Items, position: int) -> bool:
    """Return whether a comparative is one of sides and not of times: "larger on the right"."""
    after = position + 1
    if items.entries[position].change not in _TRENDS and items.entries[position].course not in _TRENDS:
        return False
    if after + 1 >= len(items.roles) or not items.roles[after] & _THAN:
        return False
    return bool(items.roles[after + 1] & SIDE) and not items.roles[after + 1] & PART


def is_past(items: Items, position: int) -> bool:
    """Return whether a degree is one that was: "formerly large", "down from large", "was large previously"."""
    before = position - 1
    if before >= 0 and (items.roles[before] & EARLIER or items.entries[before].phrase == _FROM):
        return True
    after = position + 1
    if (
        before >= 0
        and items.entries[before].phrase in _WAS
        and any(role & Role.ANOTHER_DAY for role in items.roles[after : after + 2])
    ):
        return True
    if after >= len(items.roles) or not items.roles[after] & EARLIER or items.roles[after] & COURSE:
        return False
    return after + 1 == len(items.roles) or bool(items.roles[after + 1] & (COMMA | Role.BREAK | Role.CONJUNCTION))


def denied_degree(items: Items, position: int) -> Severity | None:
    """Return the degree that "not" denies of what was before ("X, not large"); None where it denies more."""
    degree = position + 1
    if degree >= len(items.roles) or items.entries[position].phrase != _NOT or not items.roles[degree] & SEVERITY:
        return None
    behind = items.roles[degree + 1 :]
    return None if any(role & _NEW for role in behind) else items.entries[degree].severity


def change_between(before: Severity | None, now: Severity | None) -> Change | None:
    """Return the change that two degrees of one thing amount to: "down from large" is better."""
    if before is None or now is None or before is now:
        return None
    return Change.IMPROVED if _RANKS.index(now) < _RANKS.index(before) else Change.WORSENED


def is_present(items: Items, position: int) -> bool:
    """Return whether a degree is the present one, whatever was said before: "now small", "from large to small"."""
    before = position - 1
    return before >= 0 and bool(items.roles[before] & CURRENTLY or items.entries[before].phrase == _TO)


def tells_change(items: Items, index: int) -> bool:
    """Return whether an item says that something changed: "increasing", "increased"."""
    if index >= len(items.roles):
        return False
    state = items.entries[index].state
    return bool(items.roles[index] & CHANGE) or (state is not None and state.change is not None)


def _degree_follows(items: Items, index: int) -> bool:
    """Return whether a degree or a change comes next  of what was before: ", now small", "and is better"."""
    while index < len(items.roles):
        role = items.roles[index]
        if role & SEVERITY and tells_change(items, index + 1):
            return closes(items, index + 2)  # ", markedly increased"
        if role & (SEVERITY | COURSE | CHANGE) or course_at(items, index) is not None:
            return closes(items, index + 1)
        if denied_degree(items, index) is not None:
            return True
        relative = role & BREAK and items.entries[index].phrase in _RELATIVE
        if not relative and (not role & _LEADING or role & QUALIFIER):
            return False
        index += 1
    return False


def _attributes_end_it(items: Items, index: int) -> bool:
    """Return whether nothing but attributes follows ("X: right, small")."""
    for role, entry in zip(items.roles[index:], items.entries[index:], strict=True):
        if role & Role.BREAK:
            break
        if entry.state is not None and entry.state.change is not None:
            continue
        if role & _NEW or not role & _ATTRIBUTES:
            return False
    return index < len(items.roles)


def leads_to_mention(items: Items, index: int) -> bool:
    """Return whether qualifiers that begin at an item belong to a later mention."""
    for position in range(index, len(items.roles)):
        role = items.roles[position]
        if role & MENTION:
            return True
        if not role & MODIFIER:
            return False
    return False


def _change_follows(items: Items, index: int) -> bool:
    """Return whether a comma introduces a change of the mention before it ("small X, unchanged")."""
    return index < len(items.roles) and bool(items.roles[index] & CHANGE) and not _of_another(items, index + 1)


def _places_end_it(items: Items, index: int) -> bool:
    """Return whether nothing but places stands from an item to the end ("X, right base", "X, Y of the left Z")."""
    saw_place = False
    for role in items.roles[index:]:
        if role & (PART | SIDE):
            saw_place = True
        elif role & _STOPS:
            break
        if (role & _ENDS_PLACES and not role & Role.PREPOSITION) or not role & _PLACING:
            return False
    return saw_place


def _of_another(items: Items, start: int) -> bool:
    """Return whether a change is said of what follows it: "stable outline of Y", "unchanged X"."""
    whole = pack().roles.whole_part  # "decreased from the prior film" is no change of what the film shows
    for role, entry in zip(items.roles[start:], items.entries[start:], strict=True):
        if role & PART and entry.part is not None and entry.part.id != whole:
            return True
        if not role & QUALIFIER:
            break
    return leads_to_mention(items, start)


def change_behind(items: Items, last: int) -> Change | None:
    """Return the change said behind an adjective: "Y is enlarged, worse than before", "... but stable".

    None where the word belongs to something else ("..., stable outline of Z") or says that it has gone.
    """
    index = last + 1
    while index < len(items.roles) and (items.roles[index] & _JOINS or items.entries[index].phrase in _ADDS):
        index += 1
    if index == last + 1 or index >= len(items.roles):
        return None
    change = items.entries[index].change or items.entries[index].course
    if change is Change.RESOLVED or _of_another(items, index + 1):
        return None
    compared = any(role & Role.QUALITY for role in items.roles[index + 1 :])  # "more evident in the other view"
    return None if compared else change
