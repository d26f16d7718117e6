"""What the lexicon is made of, beside the concepts and regions of the pack: roles, places, adjectives, entries."""

from dataclasses import dataclass

from cxr.miner.pack.lexicon import Region, State
from cxr.schemas import Change, Severity, Side


class Role:
    """What a phrase can do in a sentence: single bits, since one phrase may have several roles.

    Plain numbers: they are asked at every word, and an enum's members take ten times as long to look up.
    """

    CONCEPT = 1 << 0
    PART = 1 << 1
    STATE = 1 << 2
    SIDE = 1 << 3
    SEVERITY = 1 << 4
    NUMBER = 1 << 5
    CHANGE = 1 << 6
    DENY_FORWARD = 1 << 7
    DENY_BACKWARD = 1 << 8
    HEDGE_FORWARD = 1 << 9
    HEDGE_BACKWARD = 1 << 10
    HEDGE_LIST = 1 << 11
    CAUSE = 1 << 12
    PROBABLE = 1 << 13
    AFFIRM_BACKWARD = 1 << 14
    NOTHING_SENTENCE = 1 << 15
    NOTHING_CLAUSE = 1 << 16
    NOTHING_FORWARD = 1 << 17
    OPTION = 1 << 40
    IMPERATIVE = 1 << 41
    DEFINITION = 1 << 42
    ENUMERATION = 1 << 43
    REPORT = 1 << 32
    PERCEIVE = 1 << 33
    DESCRIBES = 1 << 34
    CHOSEN = 1 << 35
    ANAPHOR = 1 << 36
    NONE = 1 << 37
    HEADING = 1 << 38
    LISTS = 1 << 39
    SIGN = 1 << 50
    EXAMPLE = 1 << 51
    CONFIRM = 1 << 52
    SEEK = 1 << 53
    MEANING = 1 << 54
    PAST = 1 << 18
    PAST_NEXT = 1 << 48
    NOTHING_BACKWARD = 1 << 49
    REMOVAL = 1 << 55
    ANOTHER_DAY = 1 << 56
    BREAK = 1 << 19
    COPULA = 1 << 20
    PREPOSITION = 1 << 21
    WITH = 1 << 22
    CONJUNCTION = 1 << 23
    ACUTE = 1 << 24
    CHRONIC = 1 << 25
    GENERIC = 1 << 26
    NOT_ASSESSABLE = 1 << 27
    QUALITY = 1 << 28
    COMMA = 1 << 29
    COLON = 1 << 30
    WORD = 1 << 31
    COURSE = 1 << 45
    EARLIER = 1 << 46
    CURRENTLY = 1 << 47
    DIRECTION = 1 << 44
    """It narrows a place and is none: "outer", "4th"."""


ROLES: dict[str, int] = {name: bit for name, bit in vars(Role).items() if name.isupper()}
"""The roles by their names."""


@dataclass(frozen=True, slots=True)
class Part:
    """A place, with the region it belongs to and the places it lies in."""

    id: str
    region: Region
    part_of: tuple[str, ...]
    stands_for: tuple[str, ...] = ()
    """The places that one phrase names together; itself where it is empty."""
    only: Side | None = None
    """The side that it is on in everybody."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """What a ratio's number makes of it, above its limit and otherwise."""

    limit: float
    above: "Entry"
    otherwise: "Entry"


@dataclass(slots=True)
class Entry:
    """Everything that one phrase can mean."""

    phrase: tuple[str, ...]
    roles: int = 0
    concepts: tuple[str, ...] = ()
    inner: tuple["Entry", ...] = ()
    """Places, sides and degrees inside a concept's own phrase ("left lower X")."""
    tail: Part | None = None
    """The structure that a concept's phrase ends in: another adjective may speak of it ("long striped X")."""
    part: Part | None = None
    state: State | None = None
    side: Side | None = None
    severity: Severity | None = None
    number: str | None = None
    change: Change | None = None
    special: bool = False
    """It has one of the two below."""
    ratio: Ratio | None = None
    only_at: frozenset[str] = frozenset()
    """Regions without which it is a plain word."""
    alone: "Entry | None" = None
    """What it is then, where nothing else is spoken of."""
    course: Change | None = None
    """A change, where it stands behind what it is said of."""
    other_side: bool | None = None
    """Whether it names the other of two sides, or the same one, of something before; None where it names neither."""
