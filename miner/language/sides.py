"""Left and right: of several words, of "the other side", of a movement."""

from collections.abc import Sequence
from functools import cache

from cxr.miner.language.entries import Role
from cxr.miner.language.items import Items, read_items
from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.pack import pack
from cxr.schemas import Side

PART = Role.PART
ONE_SIDE = frozenset({Side.LEFT, Side.RIGHT})
_OPPOSITE: dict[Side | None, Side] = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}
_TOWARDS = frozenset({("to",), ("toward",), ("towards",)})
_ENDS = Role.COMMA | Role.BREAK | Role.WITH | Role.COPULA | Role.CONJUNCTION


def one_side(sides: Sequence[Side]) -> Side | None:
    """Return the one side of several; left and right together are bilateral."""
    unique = set(sides)
    if len(unique) < 2:
        return sides[0] if sides else None
    return Side.BILATERAL if {Side.LEFT, Side.RIGHT} <= unique or Side.BILATERAL in unique else None


def resolve_sides(items: Items, last: Side | None) -> None:
    """Put the side in for "that side" and "the other side": of what was named last, here or (`last`) before."""
    for index, entry in enumerate(items.entries):
        if entry.other_side is not None and last is not None and last in _OPPOSITE:
            side = _OPPOSITE[last] if entry.other_side else last
            items.entries[index] = load_lexicon().entries[(side.value,)]
            continue
        for told in (entry, *entry.inner):
            last = told.side if told.side in _OPPOSITE else last


def points_to_a_side(text: str) -> bool:
    """Return whether a text says "that side", "the other side": which one it is was said before."""
    lower = text.lower()
    return any(map(lower.__contains__, _pointing()))


def last_side(sentence: str) -> Side | None:
    """Return the side that a sentence names last: left or right."""
    told = [each.side for entry in read_items(sentence).entries for each in (entry, *entry.inner)]
    return next((side for side in reversed(told) if side in {Side.LEFT, Side.RIGHT}), None)


@cache
def _pointing() -> tuple[str, ...]:
    words = pack().modifiers
    return (*words.same_side, *words.other_side)


def sides_behind(items: Items, last: int) -> list[Side]:
    """Return the side that a movement goes to: "shifted by X to the right"; none where no side follows "to"."""
    towards = False
    for position in range(last + 1, len(items.roles)):
        role, side = items.roles[position], items.entries[position].side
        if side is not None and (towards or position == last + 1):
            return [side] if position + 1 == len(items.roles) or not items.roles[position + 1] & PART else []
        towards = items.entries[position].phrase in _TOWARDS or (towards and bool(role & Role.DIRECTION))
        if role & _ENDS:
            break
    return []
