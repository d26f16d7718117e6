"""Ratios that a number tells: "the ratio of Y to Z is 0.6", "more than half of Z"."""

from collections.abc import Sequence

from cxr.miner.language.entries import Entry, Ratio
from cxr.miner.pack import pack

_REACH = 8
"""How many words after its name a ratio's number may stand."""
_PLAUSIBLE = (0.2, 0.95)


def read_ratio(words: Sequence[str], after: int, ratio: Ratio) -> tuple[Entry, int] | None:
    """Return what the number after a ratio's name makes of it, and where the number stands; None for no such number."""
    said = pack().anatomy.comparing
    more: bool | None = None
    denied = False
    for at in range(after, min(after + _REACH, len(words))):
        word = words[at]
        if word in said.more or word in said.less:
            more = word in said.more
        elif word in said.denying:
            denied = True
        elif word in said.numbers or word[0].isdigit():
            if at + 1 < len(words) and words[at + 1] in said.units:
                return None
            above = _above(said.numbers.get(word) or float(word), ratio.limit, more=more, denied=denied)
            return None if above is None else (ratio.above if above else ratio.otherwise, at)
    return None


def _above(value: float, limit: float, *, more: bool | None, denied: bool) -> bool | None:
    """Return whether a ratio is above its limit; None for a number that is no such ratio, or that leaves it open."""
    share = value if value <= 1 else value / 100
    if not _PLAUSIBLE[0] <= share <= _PLAUSIBLE[1]:
        return None
    if more is None:
        return share > limit
    above = more is not denied
    settled = share >= limit if above else share <= limit
    return above if settled else None
