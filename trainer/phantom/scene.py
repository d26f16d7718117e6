"""What is in a phantom: a scene of the pack's invented findings, each absent or of a stated size and side, by lot.

Sizes come in two degrees with a gap between them, so that every scene has one right description.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import accumulate

import numpy as np

from cxr.miner.pack import pack
from cxr.miner.pack.phantom import Lengths, PhantomFinding, Range
from cxr.schemas.vocabulary import Progression, Side

Rng = np.random.Generator


class Degree(IntEnum):
    """How much of a finding there is: mild or small, severe or large."""

    NONE = 0
    SMALL = 1
    LARGE = 2

    def of(self, lengths: Lengths) -> Range:
        """Return the range of a measure at this degree."""
        return (lengths.none, lengths.small, lengths.large)[self]


@dataclass(frozen=True, slots=True)
class Shown:
    """One finding in a scene; what has no degree is small where it is there."""

    degree: Degree = Degree.NONE
    side: Side = Side.LEFT
    """The patient's, as in a report."""
    zone: str = ""
    kind: str = ""

    def __bool__(self) -> bool:
        return bool(self.degree)


NOT_SHOWN = Shown()


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a phantom shows, by the names of the pack's findings."""

    shown: Mapping[str, Shown] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Shown:
        return self.shown.get(name, NOT_SHOWN)


def draw_lots(rng: Rng) -> Scene:
    """Return a scene; what is on the first and the second side is on different ones, and hides nothing there."""
    first, second = (Side.LEFT, Side.RIGHT) if rng.random() < 0.5 else (Side.RIGHT, Side.LEFT)
    table = pack().phantom
    findings = {finding.name: finding for finding in table.finding}
    shown: dict[str, Shown] = {}
    for finding in (findings[name] for name in table.lots):
        degree, kind = _amount(finding, table.prevalence, rng)
        zone = finding.zones[int(rng.random() * len(finding.zones))] if finding.zones else ""
        side = _side(finding, first, second, rng)
        for beside in finding.beside:
            other = shown.get(beside.finding, NOT_SHOWN)
            if other and other.side is side:
                zone = beside.zone
        shown[finding.name] = Shown(degree, side, zone, kind)
    return Scene(shown)


def _amount(finding: PhantomFinding, prevalence: float, rng: Rng) -> tuple[Degree, str]:
    """Return how much there is of a finding, and which of its kinds."""
    if rng.random() >= prevalence:
        return Degree.NONE, ""
    drawn = rng.random()
    if not finding.kinds:
        return (Degree.SMALL if drawn < 0.5 else Degree.LARGE), ""
    return Degree.SMALL, by_share(drawn, {kind.name: kind.share for kind in finding.kinds})


def by_share(drawn: float, shares: Mapping[str, float]) -> str:
    """Return the name in whose share of the whole, one after the other, a number from 0 to 1 lies."""
    ends = zip(shares, accumulate(shares.values()), strict=True)
    return next((name for name, end in ends if drawn < end), list(shares)[-1])


def _side(finding: PhantomFinding, first: Side, second: Side, rng: Rng) -> Side:
    match finding.side:
        case "first":
            return first
        case "second":
            return second
        case "either":
            return first if rng.random() < 0.5 else second
        case "any":
            return Side.LEFT if rng.random() < 0.5 else Side.RIGHT
        case _:
            return Side.MIDLINE


def later(scene: Scene, rng: Rng) -> Scene:
    """Return the scene of the next study: every finding that is there grows, stays or shrinks, and none vanishes."""
    changed = dict(scene.shown)
    for finding in pack().phantom.finding:
        shown = scene[finding.name]
        if shown and not finding.kinds and rng.random() < 0.5:
            other = Degree.LARGE if shown.degree is Degree.SMALL else Degree.SMALL
            changed[finding.name] = replace(shown, degree=other)
    return Scene(changed)


def progression(before: Degree, after: Degree) -> Progression | None:
    """Return how a finding changed; None where it was not there both times."""
    if not before or not after:
        return None
    if before == after:
        return Progression.STABLE
    return Progression.WORSENING if after > before else Progression.IMPROVING
