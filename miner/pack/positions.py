"""The tables of where devices end, and of qualities that exclude one another."""

from pydantic import Field

from cxr.miner.pack.tables import ConceptId, Table, Words


class TipPlace(Table):
    """A place where a device may end."""

    phrases: Words
    part_of: tuple[str, ...] = ()
    """Wider places for the same tip."""
    near: tuple[str, ...] = ()
    """Places that are used for it."""
    sided: bool = False
    """The side that it is on is that of a device without another one: "D in the left Y"."""


class Tips(Table):
    """Where devices of a kind should end, and where not."""

    of: tuple[ConceptId, ...]
    """The devices, with all that are kinds of them."""
    well: tuple[str, ...] = ()
    badly: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    """Other places that may be told of them; all where none of the three lists names one."""
    nearest_mm: float | None = None
    """A smaller distance is too near."""
    farthest_mm: float | None = None
    """A larger one is too far."""


class Placement(Table):
    """Words for a device that sits well or badly."""

    well: Words = ()
    badly: Words = ()
    advice: Words = ()
    """What to do with one that sits badly."""
    tip: Words = ()
    """Words for the end of a device, and for ending."""
    not_the_tip: Words = ()
    """What ends at a place behind them is another part of the device."""
    past: Words = ()
    """What follows them is where the device was, or is not."""
    past_perhaps: Words = ()
    """What follows them is where the device was, if another place follows."""
    past_behind: Words = ()
    """What stands before them was so at another time."""


class Positions(Table):
    """`[positions]` of `anatomy.toml`."""

    place: dict[str, TipPlace] = Field(default_factory=dict)
    device: tuple[Tips, ...] = ()
    words: Placement = Field(default_factory=Placement)


class Numbered(Table):
    """A structure of which there are many, told by numbers."""

    name: str
    of: tuple[ConceptId, ...]
    """What is said to be at one of them, with all that are kinds of it."""
    nouns: tuple[str, ...] = ()
    """The words that numbers stand beside ("4th Y")."""
    letters: tuple[str, ...] = ()
    """The letters before a number ("L2")."""


class Quality(Table):
    """Qualities of the same kind, of which a thing has one."""

    of: tuple[ConceptId, ...]
    """What has them, with all that are kinds of it."""
    values: dict[str, Words]
    both: tuple[tuple[str, str], ...] = ()
    """Pairs that may be true of one thing."""
