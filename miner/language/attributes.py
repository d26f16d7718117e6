"""What belongs to a mention: side, place, severity, number, size, change."""

from dataclasses import dataclass, field

from cxr.miner.language.course import QUALIFIER as _QUALIFIER
from cxr.miner.language.course import (
    change_between,
    closes,
    compares_sides,
    course_at,
    denied_degree,
    goes_on,
    is_past,
    is_present,
    leads_to_mention,
    tells_change,
)
from cxr.miner.language.denials import begins_statement
from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Entry, Role, load_lexicon
from cxr.miner.language.scopes import ends_as_adjective
from cxr.miner.language.sides import one_side
from cxr.miner.pack import pack
from cxr.schemas import Change, Severity, Side

_BOUNDARY = (
    Role.CONCEPT
    | Role.GENERIC
    | Role.BREAK
    | Role.WITH
    | Role.COLON
    | Role.DENY_FORWARD
    | Role.HEDGE_FORWARD
    | Role.HEDGE_LIST
    | Role.CAUSE
    | Role.PROBABLE
)
CONCEPT, PART, SIDE, COPULA = Role.CONCEPT, Role.PART, Role.SIDE, Role.COPULA
COMMA, CONJUNCTION, PREPOSITION = Role.COMMA, Role.CONJUNCTION, Role.PREPOSITION
SEVERITY, CHANGE, NUMBER, STATE = Role.SEVERITY, Role.CHANGE, Role.NUMBER, Role.STATE
WORD, CHRONIC, DIRECTION = Role.WORD, Role.CHRONIC, Role.DIRECTION
GENERIC = Role.GENERIC
COLON, EARLIER = Role.COLON, Role.EARLIER
_KIND = PART | SIDE | SEVERITY | NUMBER
_DENY = Role.DENY_FORWARD
_IN_LIST = Role.SEVERITY | Role.NUMBER | Role.ACUTE | Role.CHRONIC | Role.WORD | Role.PROBABLE
_MEANS = Role.PROBABLE | Role.HEDGE_FORWARD
_OF_SIGN = (
    Role.WORD | Role.SEVERITY | Role.NUMBER | Role.ACUTE | Role.CHRONIC | Role.STATE | Role.PREPOSITION | Role.GENERIC
)
_OF_ANOTHER = Role.CONCEPT | Role.GENERIC | Role.COPULA | Role.STATE
_BEFORE_PLACE = Role.WORD | Role.PREPOSITION | Role.CHANGE | Role.SEVERITY | Role.CONJUNCTION
_PARTS_OFF = Role.COMMA | Role.COLON | Role.CONJUNCTION | Role.BREAK | Role.PROBABLE | Role.HEDGE_FORWARD
_NON = ("non",)
_OF = frozenset({("in",), ("of",)})
_TO_BE = frozenset({"is", "are", "was", "were", "be"})
_TELLS = _QUALIFIER | CHRONIC | Role.COURSE | Role.EARLIER | Role.CURRENTLY | Role.ACUTE
_MAX_WORDS = 4
"""Unknown words (streaky, rounded, blanks) that may stand between a mention and its qualifier."""


@dataclass(slots=True)
class Attributes:
    """Qualifiers collected around a mention, and the item range that they and it fill."""

    first: int
    last: int
    places: list[str] = field(default_factory=list)
    sides: list[Side] = field(default_factory=list)
    severity: Severity | None = None
    number: str | None = None
    change: Change | None = None
    denied_severity: Severity | None = None
    """A degree that it has not: "not large"."""
    severity_before: Severity | None = None
    """A degree that was, or that was said before the present one."""
    change_at: int = -1
    hedged: bool = False
    chronic: bool = False
    states: list[str] = field(default_factory=list)
    size_mm: float | None = None
    qualities: tuple[str, ...] = ()
    headed: bool = False
    """Its side or place stands before a colon: "left Y: X"."""

    def side(self) -> Side | None:
        """Return the one side; left and right together are bilateral."""
        return one_side(self.sides)


def _take_entry(found: Attributes, entry: Entry, index: int = -1) -> None:
    if entry.part is not None and entry.part.id not in found.places:
        found.places.append(entry.part.id)
    if entry.side is not None:
        found.sides.append(entry.side)
    if entry.severity is not None and found.severity is None:
        found.severity = entry.severity
    if entry.number is not None and found.number is None:
        found.number = entry.number
    if entry.change is not None and found.change is None:
        found.change, found.change_at = entry.change, index


def collect(items: Items, index: int) -> Attributes:
    """Return the qualifiers of the mention at an item index."""
    found = Attributes(index, index)
    if not (items.union & _TELLS or items.entries[index].inner or items.sizes):
        return found  # "no X or Y": most sentences of most reports
    position = _leftward(items, index, found)
    own_sides = len(found.sides)
    for inner in items.entries[index].inner:
        _take_entry(found, inner)
    _rightward(items, index, found)
    if found.severity_before is not None:
        found.change = found.change or change_between(found.severity_before, found.severity)
    if items.union & (PART | SIDE):
        if not found.places and not found.sides:
            _place_before(items, position, found)
        if not found.places and not found.sides:
            _place_of_the_last(items, index, found)
    if items.sizes:
        found.size_mm, before = _sizes(items, index)
        if found.change is None and before is not None and found.size_mm is not None and before != found.size_mm:
            found.change = Change.IMPROVED if found.size_mm < before else Change.WORSENED
    if found.sides and items.entries[index].concepts:
        _leave_out_sites(items, index, found, own_sides)
    return found


def _leave_out_sites(items: Items, index: int, found: Attributes, own: int) -> None:
    """Drop the sides of structures that a device only ends in, which are no sides of the device.

    A device with a side before its name (`own` of them) gets none from where it goes: "left X in the right Y".
    """
    mention = items.entries[index]
    if load_lexicon().concepts[mention.concepts[0]].kind != "device":
        return
    if own:
        del found.sides[own:]
    sites = pack().anatomy.device_sites
    if not sites.isdisjoint(mention.phrase):
        for inner in mention.inner:
            if inner.side in found.sides:
                found.sides.remove(inner.side)
    for at in range(found.first, found.last):
        side = items.entries[at].side
        if items.roles[at] & SIDE and side in found.sides and not sites.isdisjoint(items.entries[at + 1].phrase):
            found.sides.remove(side)


def _sizes(items: Items, index: int) -> tuple[float | None, float | None]:
    """Return the largest measurement around a mention, up to the next mention or "and", and the largest that was."""
    first = index - 1
    while first >= 0 and items.roles[first] & (_QUALIFIER | WORD) and not items.roles[first] & CONCEPT:
        first -= 1
    last = index + 1
    while last < len(items.roles) and not items.roles[last] & (CONCEPT | CONJUNCTION | Role.GENERIC | Role.BREAK):
        last += 1
    near = [(at, size) for at, size in items.sizes if first < at < last]
    past = [size for at, size in near if at and items.roles[at - 1] & EARLIER]
    now = [size for at, size in near if not (at and items.roles[at - 1] & EARLIER)]
    return max(now, default=None), max(past, default=None)


def _take_before(items: Items, position: int, found: Attributes) -> None:
    """Take a qualifier that stands before the mention."""
    # "slightly increased" is no size, and "formerly large" none of today
    degree = items.roles[position] & SEVERITY
    follows = items.entries[position + 1].state
    trend = follows.change if degree and follows is not None else None  # "mildly increased X" has grown
    if not (degree and (trend or items.roles[position + 1] & CHANGE or is_past(items, position))):
        _take_entry(found, items.entries[position], position)
    elif trend is not None and found.change is None:
        found.change, found.change_at = trend, position + 1
    state = items.entries[position].state
    if state is not None and not (position and items.entries[position - 1].phrase == _NON):
        found.states.append(state.id)
        found.hedged = found.hedged or state.hedge
    found.first = position


def _leftward(items: Items, index: int, found: Attributes) -> int:
    """Take what stands before the mention; return the item that ended the walk, or -1."""
    roles = items.roles
    words = 0
    position = index - 1
    while position >= 0:
        role = roles[position]
        if role & (PREPOSITION | CONJUNCTION) and position and roles[position - 1] & roles[position + 1] & DIRECTION:
            pass  # "right third through sixth X"
        elif role & PREPOSITION and not role & _QUALIFIER:
            if not (position and roles[position - 1] & CHANGE and items.entries[position].phrase in _OF):
                break
        elif role & (_BOUNDARY | COPULA) and not role & _QUALIFIER:
            break
        elif role & (COMMA | CONJUNCTION):
            if not _joins_qualifiers(items, position):
                break
        elif role & _QUALIFIER:
            _take_before(items, position, found)
            words = 0
        elif role & CHRONIC:
            found.chronic = True
            found.first = position
        elif role & WORD and not role & DIRECTION:
            words += 1
            if words > _MAX_WORDS:
                break
        position -= 1
    return position


def _joins_qualifiers(items: Items, position: int) -> bool:
    """Return whether a comma or "and" stands between qualifiers of one mention ("small, left X")."""
    if position == 0 or position + 1 >= len(items.roles):
        return False
    before, after = items.roles[position - 1], items.roles[position + 1]
    degrees = before & (SIDE | SEVERITY | NUMBER) and after & _KIND
    places = before & PART and not items.roles[position] & COMMA and _goes_on(items, position)
    if degrees or places:
        first = position - 1
        while first >= 0 and items.roles[first] & _KIND:
            first -= 1
        return first < 0 or not items.roles[first] & COPULA  # not "the right X is small and left Y ..."
    if before & WORD and not items.roles[position] & COMMA:  # "left chronic and striped X"
        return all(role & (_KIND | WORD | CHRONIC | Role.ACUTE) and not role & STATE for role in items.roles[:position])
    # "Bilateral, left greater than right, X": nothing but qualifiers since the beginning
    if not items.roles[position] & COMMA or not items.roles[0] & SIDE:
        return False
    return all(role & (_KIND | WORD | COMMA) for role in items.roles[:position])


def _goes_on(items: Items, position: int) -> bool:
    """Return whether "and" goes on with a place: "lower and middle X", "lower and right upper X"."""
    after = position + 1
    if items.roles[after] & PART:
        return True
    sided = items.roles[after] & SIDE and after + 1 < len(items.roles) and items.roles[after + 1] & PART
    return bool(sided) and ends_as_adjective(items.entries[position - 1])


def _place_of_the_last(items: Items, index: int, found: Attributes) -> None:
    """Take the place that stands behind a list of mentions for each of them: "X and Y in the left Z"."""
    joined = False
    for position in range(index + 1, len(items.roles)):
        role = items.roles[position]
        if role & (CONCEPT | GENERIC):
            if not joined and position > index + 1:
                return
            last = Attributes(position, position)
            _rightward(items, position, last)
            if last.places or last.sides:
                found.places, found.sides = last.places, last.sides
                return
            joined = False
        elif role & (CONJUNCTION | COMMA):
            if items.union & _DENY and begins_statement(items, position):
                return  # "no X, small Y at Z"
            joined = True
        elif not role & _IN_LIST or role & (PART | SIDE):
            return


def _place_before(items: Items, position: int, found: Attributes) -> None:
    """Take the place from a subject ("the right side shows ...") or an opening ("in the left one, there is ...")."""
    roles = items.roles
    if position < 0:
        return
    if roles[position] & COPULA:
        if items.entries[position].phrase[0] in _TO_BE and not _opens_with_place(items, position):
            return
        position -= 1
        while position >= 0 and roles[position] & (_QUALIFIER | WORD):
            if roles[position] & (PART | SIDE):
                _take_entry(found, items.entries[position])
            position -= 1
        return
    if roles[position] & _MEANS and found.first == position + 1:
        _place_of_the_sign(items, position, found)
        return
    if roles[position] & Role.BREAK and roles[0] & PREPOSITION:
        opening = range(1, position)
        if all(roles[at] & (PART | SIDE | WORD | COMMA | CONJUNCTION | PREPOSITION) for at in opening):
            for at in opening:
                if roles[at] & (PART | SIDE):
                    _take_entry(found, items.entries[at])


def _place_of_the_sign(items: Items, position: int, found: Attributes) -> None:
    """Take the place of something without a name that a mention is the meaning of: "left Z irregularity, likely X"."""
    told: list[Entry] = []
    for at in range(position - 1, -1, -1):
        role = items.roles[at]
        if role & CONCEPT:
            return
        part = items.entries[at].part
        if role & SIDE or (part is not None and part.part_of):  # a whole organ is no place, but what the sign is of
            told.append(items.entries[at])
        elif not role & (_OF_SIGN | PART):
            break
    for entry in reversed(told):
        _take_entry(found, entry)


def _opens_with_place(items: Items, end: int) -> bool:
    """Return whether a sentence begins with a place: "in the left Y is X"."""
    return bool(items.roles[0] & PREPOSITION) and all(
        role & (PART | SIDE | WORD | PREPOSITION | CONJUNCTION | STATE) for role in items.roles[:end]
    )


def _take_behind(items: Items, position: int, found: Attributes, *, said: bool) -> int:
    """Take a degree, number or change that stands behind the mention; `said` where a verb does, too.

    Return the last item that belongs to it.
    """
    role = items.roles[position]
    if role & CHANGE and compares_sides(items, position):
        return position + (1 if items.roles[position + 1] & PREPOSITION else 2)  # "larger than left" is no left one
    if role & SEVERITY and is_past(items, position):
        found.severity_before = items.entries[position].severity
        return position
    degree_of_change = role & SEVERITY and position + 1 < len(items.roles) and tells_change(items, position + 1)
    said = said or bool(role & CHANGE) or (bool(role & SEVERITY) and closes(items, position + 1))
    if degree_of_change or not said:
        return position
    if role & SEVERITY and is_present(items, position):
        found.severity_before, found.severity = found.severity or found.severity_before, None
    _take_entry(found, items.entries[position], position)
    found.last = position
    return position


def _rightward(items: Items, index: int, found: Attributes) -> None:
    """Take what stands behind the mention: places after a preposition, degree and change after a verb."""
    roles = items.roles
    after_copula = False
    linked = 1  # how many unknown words may follow before a place no longer belongs to the mention, plus one
    words = 0
    position = index + 1
    while position < len(roles):
        role = roles[position]
        if role & _DENY and (degree := denied_degree(items, position)) is not None:
            found.denied_severity, found.last = degree, position + 1
            break
        if role & _PARTS_OFF and goes_on(items, position):
            linked = _MAX_WORDS
            after_copula = after_copula or bool(role & COLON)
            position += 1
            continue
        listed = role & (COMMA | CONJUNCTION)
        if (role & _BOUNDARY and not role & _QUALIFIER) or (listed and not _place_follows(items, position + 1)):
            break
        if listed or role & (COPULA | PREPOSITION):
            after_copula = after_copula or bool(role & COPULA)
            linked = _MAX_WORDS
        elif role & (PART | SIDE):
            if linked <= 0 or leads_to_mention(items, position) or (linked == 1 and _called_normal(items, position)):
                break
            _take_entry(found, items.entries[position])
            found.last = position
            linked = 1
        elif role & (SEVERITY | CHANGE | NUMBER):
            position = _take_behind(items, position, found, said=after_copula)
        elif (course := course_at(items, position)) is not None:
            found.change, found.last = found.change or course, position
        elif role & WORD and (role & DIRECTION or words < _MAX_WORDS + 2):
            linked -= 0 if role & DIRECTION else 1
            words += 0 if role & DIRECTION else 1
        elif role & WORD or (role & STATE and not after_copula):
            break
        position += 1


def _called_normal(items: Items, position: int) -> bool:
    """Return whether a structure is the subject of what follows, without any sign between: "X Y normal"."""
    state = items.entries[position + 1].state if position + 1 < len(items.entries) else None
    return state is not None and state.normal and bool(items.roles[position] & PART)


def _place_follows(items: Items, index: int) -> bool:
    """Return whether a list goes on with places ("in the right Y and left Z"), not with a new mention."""
    after_comma = items.roles[index - 1] & COMMA
    while after_comma and index < len(items.roles) and items.roles[index] & CONJUNCTION:
        index += 1
    if after_comma and not (index < len(items.roles) and items.roles[index] & PREPOSITION):
        return False  # "X, stable outline of Y"
    saw_place = False
    for role in items.roles[index:]:
        if role & (PART | SIDE):
            saw_place = True
        elif role & _OF_ANOTHER and not role & PREPOSITION:  # "convex" may be both
            return False  # the places are those of a later mention: "X or upper or lower Y"
        elif not role & _BEFORE_PLACE:
            break
    return saw_place
