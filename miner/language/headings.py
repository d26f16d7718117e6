"""What a line of a form says before its colon of all that follows: "left Y: X and Z"."""

from collections.abc import Sequence

from cxr.miner.language.attributes import Attributes
from cxr.miner.language.entries import Entry, Role
from cxr.miner.language.items import Items
from cxr.schemas import Side

_PLACES = Role.PART | Role.SIDE | Role.DIRECTION
_QUALIFIES = Role.PREPOSITION | Role.SEVERITY | Role.NUMBER | Role.CHANGE
_DENIES = Role.DENY_FORWARD | Role.DENY_BACKWARD
_GIVES = Role.SEVERITY | Role.CHANGE | Role.AFFIRM_BACKWARD | Role.COURSE
_PARTED = Role.COMMA | Role.BREAK | Role.COLON
_LONGEST = 4
_COLON = (":",)


def place_of_heading(items: Items) -> tuple[Entry, ...]:
    """Return the items before the first colon where they name one side or a part of an organ; else nothing."""
    colon = next((at for at, entry in enumerate(items.entries[: _LONGEST + 1]) if entry.phrase == _COLON), 0)
    heading = tuple(items.entries[:colon])
    if not all(entry.roles & _PLACES and not entry.roles & Role.CONCEPT for entry in heading):
        return ()
    sides = {entry.side for entry in heading if entry.side is not None}
    tells = sides or any(entry.part is not None and entry.part.part_of for entry in heading)
    return heading if tells and len(sides) < 2 and Side.BILATERAL not in sides else ()


def take_heading(found: Attributes, heading: tuple[Entry, ...]) -> None:
    """Give a mention the side and place of its line's heading, where it has none of its own."""
    if found.sides:
        return
    placed = bool(found.places)
    for entry in heading:
        if entry.part is not None and entry.part.part_of and not placed:  # a whole organ is no place
            found.places.append(entry.part.id)
        if entry.side is not None:
            found.sides.append(entry.side)
    found.headed = True


def is_said(head: Sequence[int], body: Sequence[int]) -> bool:
    """Return whether what stands before a colon is said, and not only named, by the roles before and behind it.

    "A large X in Y: Z or W"; "X: stable, Y less" gives a degree or change of what heads it, and then more.
    """
    qualified = any(role & _QUALIFIES for role in head) and any(role & Role.CONCEPT for role in head)
    if qualified and not any(role & _DENIES for role in body[:2]):
        return True
    return bool(body[0] & _GIVES and len(body) > 1 and body[1] & _PARTED)
