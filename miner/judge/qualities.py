"""Which qualities exclude one another: broken clean or not, the places of a tip, the numbers of structures."""

from collections.abc import Iterator
from functools import cache

from cxr.miner.language.positions import BADLY, ONE_SIDED, TIP, WELL
from cxr.miner.pack import pack
from cxr.schemas import NormalForm, Side

ACUTE = "acute"
"""The quality of what is not old."""


def ends_somewhere(form: NormalForm) -> bool:
    """Return whether a form says where a device ends, or whether it sits well."""
    return any(is_position(quality) for quality in form.qualities)


def is_position(quality: str) -> bool:
    """Return whether a quality is a device's position."""
    return quality in {WELL, BADLY} or quality.startswith(TIP)


def differ(finding: NormalForm, fact: NormalForm) -> Iterator[tuple[str, bool]]:
    """Give each quality of a finding that the fact has not, and whether one that the fact has excludes it."""
    for asked in finding.qualities:
        if asked == ONE_SIDED and fact.side is Side.BILATERAL:
            yield asked, True
            continue
        known = [other for other in fact.qualities if _one_kind(asked, other)]
        own = (other for other in finding.qualities if _one_kind(asked, other))
        if any(other in known for other in own) or any(_wider(asked, other) for other in known):
            continue
        yield asked, bool(known) and not any(_compatible(asked, other) for other in known)


def _one_kind(one: str, other: str) -> bool:
    """Return whether two qualities say the same kind of thing, so that one may exclude the other."""
    return _kind(one) == _kind(other)


@cache
def _kind(quality: str) -> str:
    if quality in {WELL, BADLY}:
        return WELL
    if ":" in quality:
        return quality.partition(":")[0]
    kinds = (str(number) for number, each in enumerate(pack().relations.quality) if quality in each.values)
    return next(kinds, quality)


def _wider(asked: str, known: str) -> bool:
    """Return whether a tip that is at the known place is at the asked one, too."""
    place = pack().anatomy.positions.place.get(known.removeprefix(TIP)) if known.startswith(TIP) else None
    return place is not None and asked.removeprefix(TIP) in {*place.part_of, *place.near}


def _compatible(asked: str, known: str) -> bool:
    """Return whether both qualities may be true of one thing."""
    if asked.startswith(TIP):
        return _wider(known, asked)
    pairs = (pair for each in pack().relations.quality for pair in each.both)
    return any({asked, known} == set(pair) for pair in pairs)
