"""What belongs to a mention: side, place, severity, number, size, change."""

from dataclasses import dataclass, field

from miner.language.items import Items
from miner.language.lexicon import Role
from schemas import Change, Severity, Side

_BOUNDARY = int(
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
_QUALIFIER = int(Role.PART | Role.SIDE | Role.SEVERITY | Role.NUMBER | Role.CHANGE | Role.STATE)
CONCEPT, PART, SIDE, COPULA = int(Role.CONCEPT), int(Role.PART), int(Role.SIDE), int(Role.COPULA)
COMMA, CONJUNCTION, PREPOSITION = int(Role.COMMA), int(Role.CONJUNCTION), int(Role.PREPOSITION)
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
    change_at: int = -1
    hedged: bool = False
    size_mm: float | None = None

    def side(self) -> Side | None:
        """Return the one side; left and right together are bilateral."""
        unique = set(self.sides)
        if not unique:
            return None
        if len(unique) == 1:
            return self.sides[0]
        return Side.BILATERAL if Side.LEFT in unique and Side.RIGHT in unique or Side.BILATERAL in unique else None


def _take(found: Attributes, items: Items, index: int, *, left: bool) -> None:
    entry = items.entries[index]
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
    if entry.state is not None and entry.state.hedge and left:
        found.hedged = True


def _leads_to_mention(items: Items, index: int) -> bool:
    """Tell whether qualifiers that begin at an item belong to a later mention."""
    for position in range(index, len(items.roles)):
        role = items.roles[position]
        if role & (Role.CONCEPT | Role.GENERIC):
            return True
        if not role & (_QUALIFIER | Role.WORD | Role.ACUTE | Role.CHRONIC):
            return False
    return False


def collect(items: Items, index: int) -> Attributes:
    """Return the qualifiers of the mention at an item index."""
    found = Attributes(index, index)
    roles = items.roles
    words = 0
    position = index - 1
    while position >= 0:
        role = roles[position]
        if (
            role & (_BOUNDARY & ~int(Role.HEDGE_FORWARD))
            or role & COPULA
            or role & PREPOSITION
            and not role & _QUALIFIER
        ):
            break
        if role & Role.HEDGE_FORWARD and not role & _QUALIFIER:
            break
        if role & (COMMA | CONJUNCTION) and not _joins_qualifiers(items, position):
            break
        if role & _QUALIFIER:
            _take(found, items, position, left=True)
            found.first = position
            words = 0
        elif role & Role.WORD:
            words += 1
            if words > _MAX_WORDS:
                break
        position -= 1
    _subject_place(items, position, found)
    _rightward(items, index, found)
    for at, size in items.sizes:
        if found.first - 3 <= at <= found.last + _MAX_WORDS:
            found.size_mm = size if found.size_mm is None else max(found.size_mm, size)
    return found


def _joins_qualifiers(items: Items, position: int) -> bool:
    """Tell whether a comma or "and" stands between two qualifiers of one mention ("small, left effusion")."""
    if position == 0 or position + 1 >= len(items.roles):
        return False
    both = int(Role.PART | Role.SIDE | Role.SEVERITY | Role.NUMBER)
    return bool(items.roles[position - 1] & both and items.roles[position + 1] & both)


def _subject_place(items: Items, position: int, found: Attributes) -> None:
    """Take the place from a subject: "the right lung shows an opacity"."""
    if found.places or found.sides or position < 0 or not items.roles[position] & COPULA:
        return
    if items.entries[position].phrase and items.entries[position].phrase[0] in {"is", "are", "was", "were", "be"}:
        return
    position -= 1
    while position >= 0 and items.roles[position] & (_QUALIFIER | Role.WORD):
        if items.roles[position] & (PART | SIDE):
            _take(found, items, position, left=False)
        position -= 1


def _rightward(items: Items, index: int, found: Attributes) -> None:
    roles = items.roles
    after_copula = False
    words = 0
    position = index + 1
    while position < len(roles):
        role = roles[position]
        if role & _BOUNDARY:
            break
        if role & (COMMA | CONJUNCTION):
            if not _place_follows(items, position + 1):
                break
        elif role & COPULA:
            after_copula = True
        elif role & (PART | SIDE):
            if _leads_to_mention(items, position):
                break
            _take(found, items, position, left=False)
            found.last = position
        elif role & (Role.SEVERITY | Role.CHANGE | Role.NUMBER):
            if after_copula or role & Role.CHANGE:
                _take(found, items, position, left=False)
                found.last = position
        elif role & Role.STATE:
            if not after_copula:
                break
        elif role & Role.WORD:
            words += 1
            if words > _MAX_WORDS + 2:
                break
        position += 1


def _place_follows(items: Items, index: int) -> bool:
    """Tell whether a list goes on with places ("in the right base and left apex"), not with a new mention."""
    saw_place = False
    for position in range(index, len(items.roles)):
        role = items.roles[position]
        if role & (PART | SIDE):
            saw_place = True
        elif role & (Role.CONCEPT | Role.GENERIC | COPULA | Role.STATE):
            return False
        elif not role & (Role.WORD | PREPOSITION | Role.CHANGE | Role.SEVERITY):
            break
    return saw_place
