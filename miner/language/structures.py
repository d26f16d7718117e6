"""Which structures an adjective or a word like "abnormality" speaks of: "Y and Z are enlarged"."""

from cxr.miner.language.course import leads_to_mention
from cxr.miner.language.denials import affirmed
from cxr.miner.language.entries import Part, Role
from cxr.miner.language.items import Items
from cxr.miner.language.scopes import PLACING, ends_as_adjective, subjects
from cxr.miner.pack import pack
from cxr.miner.pack.lexicon import State

CONCEPT, PART, STATE, GENERIC = Role.CONCEPT, Role.PART, Role.STATE, Role.GENERIC
_LIST = Role.COMMA | Role.CONJUNCTION
PASSES = Role.SIDE | Role.SEVERITY | Role.NUMBER | Role.CHANGE | Role.WORD | Role.ACUTE | Role.CHRONIC
"""What may stand between an adjective and its structure."""
_SHOWING = ("show", "demonstrat", "reveal", "exhibit", "display")
_QUALIFIER = Role.WORD | Role.CHANGE | Role.SEVERITY
_ADJECTIVES = 8
"""How far back the structure of the last of several adjectives may stand."""
_ADVERSATIVE = frozenset({("but",), ("yet",), ("although",), ("though",)})


def left_parts(items: Items, index: int) -> tuple[list[Part], bool, int]:
    """Return the structures before a generic word, whether "acute" is said, and the first item used."""
    parts: list[Part] = []
    acute = False
    first = index
    position = index - 1
    while position >= 0:
        role = items.roles[position]
        if role & PART:
            part = items.entries[position].part
            if part is not None:
                parts.append(part)
            first = position
        elif role & Role.ACUTE:
            acute = True
            first = position
        elif role & Role.GENERIC and parts == [] and position == index - 1:
            pass  # "disease process"
        elif not role & (PASSES | _LIST) or (role & _LIST and not parts and not acute):
            break
        position -= 1
    return parts[::-1], acute, first


def right_parts(items: Items, index: int) -> tuple[list[Part], int]:
    """Return the structures after "abnormality of the ..." and the last item used."""
    parts: list[Part] = []
    last = index
    position = index + 1
    if position >= len(items.roles) or not items.roles[position] & (Role.PREPOSITION | Role.WORD):
        return parts, last
    while position < len(items.roles):
        role = items.roles[position]
        if role & PART:
            part = items.entries[position].part
            if part is not None:
                parts.append(part)
            last = position
        elif not role & (PASSES | Role.PREPOSITION) and not (role & _LIST and parts):
            break
        position += 1
    return parts, last


def state_targets(items: Items, index: int) -> tuple[list[int], bool]:
    """Return the structures an adjective speaks of, and whether it stands behind them ("is enlarged")."""
    shared = shared_structure(items, index)
    if shared >= 0:
        return [shared], False
    before = items.roles[index - 1] if index else 0
    state = items.entries[index].state
    right = [] if state is not None and state.predicative else _attributive(items, index)
    behind = index
    while (
        behind
        and items.roles[behind - 1] & (PASSES | Role.DENY_FORWARD | Role.AFFIRM_BACKWARD | Role.PROBABLE)
        and not (items.roles[behind - 1] & PART)
    ):
        behind -= 1
    before = items.roles[behind - 1] if behind else 0
    if right and not (before & Role.COPULA and not _shows(items, behind - 1)):
        return right, False
    if not right and behind > 1 and items.entries[behind - 1].phrase == ("of",) and items.roles[behind - 2] & PART:
        return subjects(items, behind - 1, PART), True  # "Y and Z of normal size"
    left = (
        subjects(items, index, PART) if before & (PART | Role.COPULA | Role.COLON | STATE | _LIST | Role.WITH) else []
    )
    if left and _mention_between(items, left[-1], index):
        left = []
    if not left and not right and before & _LIST:
        left = _second_adjective(items, index - 1)
    if left:
        return left, True
    if not right and not leads_to_mention(items, index + 1):
        return _earlier_subject(items, index), True
    return right, False


def _second_adjective(items: Items, index: int) -> list[int]:
    """Return the structure of adjectives in a row without a verb: "Y long and striped"."""
    first = max(index - _ADJECTIVES, -1)
    while index > first and items.roles[index] & (STATE | PASSES | _LIST) and not items.roles[index] & PART:
        index -= 1
    return subjects(items, index + 1, PART) if index > first and items.roles[index] & PART else []


def _shows(items: Items, index: int) -> bool:
    """Return whether a verb presents what follows ("views show normal size of Y") and describes nothing."""
    return bool(items.entries[index].phrase) and items.entries[index].phrase[0].startswith(_SHOWING)


def shared_structure(items: Items, index: int) -> int:
    """Return the mention whose structure an adjective describes, too ("long, striped Y"); -1 for none."""
    state = items.entries[index].state
    for position in range(index + 1, len(items.roles)):
        role = items.roles[position]
        if role & CONCEPT:
            tail = items.entries[position].tail
            return position if tail is not None and state is not None and state.id in tail.region.states else -1
        if not role & (PASSES | STATE | _LIST) or role & PART:
            break
    return -1


def _earlier_subject(items: Items, index: int) -> list[int]:
    """Find the subject of a second predicate: "Y is large but clear"."""
    relative = _before_relative(items, index)
    if relative:
        return relative
    position = index - 1
    joined = described = False
    while position >= 0 and not items.roles[position] & Role.COPULA:
        role = items.roles[position]
        if role & PART and joined and described:
            return [position]  # "Y hidden in part but large"
        if role & PART or (role & Role.BREAK and items.entries[position].phrase not in _ADVERSATIVE):
            return []
        described = described or bool(joined and role & (STATE | CONCEPT | Role.CHANGE | Role.COURSE))
        joined = joined or bool(role & (_LIST | Role.BREAK))
        position -= 1
    return subjects(items, position, PART) if joined and position > 0 else []


def _before_relative(items: Items, index: int) -> list[int]:
    """Find what "which" stands for: "low Z accentuates Y, which remains enlarged"."""
    position = index - 1
    while position >= 0 and items.roles[position] & (PASSES | Role.COPULA | Role.DENY_FORWARD):
        position -= 1
    if position <= 0 or items.entries[position].phrase != ("which",):
        return []
    position -= 1
    if items.roles[position] & Role.COMMA:
        position -= 1
    found: list[int] = []
    while position >= 0 and items.roles[position] & (PART | PASSES | _LIST):
        if items.roles[position] & PART:
            found.append(position)
        elif items.roles[position] & Role.WORD:
            break
        position -= 1
    return found[::-1]


def _mention_between(items: Items, first: int, last: int) -> bool:
    return any(role & CONCEPT for role in items.roles[first + 1 : last])


def _attributive(items: Items, index: int) -> list[int]:
    """Return the list of structures right after an adjective, unless it describes a mention."""
    roles = items.roles
    found: list[int] = []
    position = index + 1
    while position < len(roles):
        role = roles[position]
        if role & (CONCEPT | GENERIC):
            # "normal" cannot describe a finding: "normal Y no X" has a denial between
            return _own_structures(items, found, position)
        if role & PART:
            if not (found and items.entries[position - 1].phrase in PLACING):
                found.append(position)  # not the Z of "normal structures of Y of the Z"
        elif role & Role.COPULA:
            return found if affirmed(items, position) else []  # "striped Y are seen", "large Y is ..."
        elif role & _LIST and found:
            if not _next_is_part(items, position + 1):
                break
        elif role & _LIST and position + 1 < len(roles) and roles[position + 1] & _QUALIFIER:
            if role & Role.COMMA and _has_own_structure(items, index):
                break  # "size of Y within normal limits, stable outline of Z"
            # "normal size and shape of Y", "normal and stable Y"
        elif role & Role.PREPOSITION and items.entries[position].phrase in {("of",), ("in",)}:
            pass  # "normal appearance of Y"
        elif not role & (PASSES | STATE):
            break
        position += 1
    return found


def _has_own_structure(items: Items, index: int) -> bool:
    """Return whether a structure stands before an adjective in its own part of the sentence."""
    for role in reversed(items.roles[:index]):
        if role & PART:
            return True
        if role & (Role.COMMA | Role.BREAK | Role.WITH):
            return False
    return False


def _next_is_part(items: Items, index: int) -> bool:
    for role in items.roles[index : index + 5]:
        if role & _LIST and not role & PART:
            continue
        if role & PART:
            return True
        if not role & PASSES or role & STATE:
            return False
    return False


def _own_structures(items: Items, found: list[int], mention: int) -> list[int]:
    """Leave out the structures that only say where a mention is: "large upper and right lower X".

    A noun before a comma, "and" or a denial stands for itself ("enlarged Y and lower X").
    """
    following = mention
    for at in reversed(found):
        parted = any(role & (_LIST | Role.DENY_FORWARD) for role in items.roles[at + 1 : following])
        if parted and not ends_as_adjective(items.entries[at]):
            return found[: found.index(at) + 1]
        if any(role & Role.DENY_FORWARD for role in items.roles[at + 1 : following]):
            return found[: found.index(at) + 1]
        following = at
    return []


def generic_concept(part: Part, word: str, *, acute: bool) -> str | None:
    """Return what a word for "something wrong" is called in a structure; None where it has no name."""
    region = part.region
    if word == pack().roles.lesion:
        return region.lesion or region.abnormal
    return (region.acute if acute else None) or region.abnormal


def state_concept(part: Part, state: State) -> str | None:
    """Return the concept that an adjective makes of a structure; None where it makes none."""
    region = part.region
    for name in (state.id, state.like):
        concept = region.states.get(name) if name is not None else None
        if concept is None and name == "normal":
            concept = region.normal
        if concept is None and name == "abnormal":
            concept = region.abnormal
        if concept is not None:
            return concept
    return None


def says_concept(part: Part, concept_id: str, region_id: str) -> bool:
    """Return whether a place says no more than the concept, which is about that very structure."""
    region = part.region
    if region.id == pack().roles.whole_region or (not part.part_of and region.id == region_id):
        return True
    makes = {region.normal, region.abnormal, region.acute, region.lesion, *region.states.values()}
    return concept_id in makes and not (part.part_of and region.divided)
