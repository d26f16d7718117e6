"""What is in a phantom: a scene of five findings, each absent or of a stated size and side, drawn by lot.

Sizes come in two degrees with a gap between them, so that every scene has one right description.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

import numpy as np

from cxr.schemas.vocabulary import Progression, Side

Rng = np.random.Generator
Zone = Literal["upper", "lower"]
DeviceKind = Literal["pacemaker", "endotracheal tube"]

PREVALENCE = 0.42
"""Of each finding: about two of the five are in a scene, so that pictures and reports have something to tell."""


class Degree(IntEnum):
    """How much of a finding there is: mild or small, severe or large."""

    NONE = 0
    SMALL = 1
    LARGE = 2


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a phantom shows; sides are the patient's, as in a report."""

    heart: Degree = Degree.NONE
    """How much wider than normal the heart is."""
    effusion: Degree = Degree.NONE
    effusion_side: Side = Side.LEFT
    pneumothorax: Degree = Degree.NONE
    pneumothorax_side: Side = Side.RIGHT
    opacity: Degree = Degree.NONE
    """Its degree is drawn and compared over time, and is no part of its description."""
    opacity_side: Side = Side.LEFT
    opacity_zone: Zone = "upper"
    device: DeviceKind | None = None
    device_side: Side = Side.LEFT
    """Of a pacemaker; a tube is in the middle."""


def draw_lots(rng: Rng) -> Scene:
    """Return a scene; fluid, air and an opacity never hide one another.

    Fluid and air are on different sides. An opacity beside fluid or air lies where these do not reach.
    """
    left, right = (Side.LEFT, Side.RIGHT) if rng.random() < 0.5 else (Side.RIGHT, Side.LEFT)
    effusion, pneumothorax, opacity = _degree(rng), _degree(rng), _degree(rng)
    zone: Zone = "upper" if rng.random() < 0.5 else "lower"
    side = left if rng.random() < 0.5 else right
    if side is left and effusion:
        zone = "upper"
    if side is right and pneumothorax:
        zone = "lower"
    return Scene(
        heart=_degree(rng),
        effusion=effusion,
        effusion_side=left,
        pneumothorax=pneumothorax,
        pneumothorax_side=right,
        opacity=opacity,
        opacity_side=side,
        opacity_zone=zone,
        device=_device(rng),
        device_side=Side.LEFT if rng.random() < 0.5 else Side.RIGHT,
    )


def _degree(rng: Rng) -> Degree:
    if rng.random() >= PREVALENCE:
        return Degree.NONE
    return Degree.SMALL if rng.random() < 0.5 else Degree.LARGE


def _device(rng: Rng) -> DeviceKind | None:
    if rng.random() >= PREVALENCE:
        return None
    return "pacemaker" if rng.random() < 0.67 else "endotracheal tube"


# The findings that have a degree, by the name of their field.
CHANGING = ("heart", "effusion", "pneumothorax", "opacity")


def later(scene: Scene, rng: Rng) -> Scene:
    """Return the scene of the next study: every finding that is there grows, stays or shrinks, and none vanishes."""
    changed: dict[str, Degree] = {}
    for field in CHANGING:
        degree: Degree = getattr(scene, field)
        if degree and rng.random() < 0.5:
            changed[field] = Degree.LARGE if degree is Degree.SMALL else Degree.SMALL
    return replace(scene, **changed)  # type: ignore[arg-type]  # the fields of CHANGING are degrees


def progression(before: Degree, after: Degree) -> Progression | None:
    """Return how a finding changed; None where it was not there both times."""
    if not before or not after:
        return None
    if before == after:
        return Progression.STABLE
    return Progression.WORSENING if after > before else Progression.IMPROVING
