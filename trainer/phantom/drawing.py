"""A scene as a picture: lungs, heart and diaphragm of ellipses, in grey, with noise and a jitter of every measure.

The picture is seen as a radiograph is: the patient's right is on the viewer's left. Coordinates run from 0 to 1, down
and to the right. Nothing is anatomy; proportions follow one: a heart is enlarged beyond half of the thorax's width.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr.schemas.vocabulary import Side
from cxr.trainer.phantom.scene import Degree, Rng, Scene

Plane = NDArray[np.float32]

THORAX = 0.84
"""The width of the thorax, as a share of the picture's."""

# Shares with a gap between degrees: the heart's width of the thorax, and how much of a lung fluid and air take.
HEART = {Degree.NONE: (0.38, 0.44), Degree.SMALL: (0.54, 0.58), Degree.LARGE: (0.70, 0.76)}
FLUID = {Degree.SMALL: (0.16, 0.24), Degree.LARGE: (0.46, 0.58)}
AIR = {Degree.SMALL: (0.26, 0.32), Degree.LARGE: (0.60, 0.68)}
OPACITY = {Degree.SMALL: (0.065, 0.075), Degree.LARGE: (0.11, 0.12)}

_AIR_GREY, _LUNG, _SOFT, _BODY, _FLUID, _METAL = 0.0, 0.30, 0.42, 0.62, 0.88, 1.0


def draw(scene: Scene, rng: Rng, size: int = 96) -> Image.Image:
    """Return the picture of a scene: grey (mode L), `size` by `size` pixels.

    `rng` draws what no report tells: exact measures within a degree, small shifts, and noise.
    """
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    x, y = x + _jitter(rng, 0.015), y + _jitter(rng, 0.015)
    plane = np.full((size, size), 0.05, dtype=np.float32)
    plane[_ellipse(x, y, 0.5, 0.55, THORAX / 2 + 0.04, 0.56)] = _SOFT
    lungs = {Side.RIGHT: _ellipse(x, y, 0.30, 0.47, 0.175, 0.36), Side.LEFT: _ellipse(x, y, 0.70, 0.47, 0.175, 0.36)}
    for lung in lungs.values():
        plane[lung] = _LUNG
    plane += 0.03 * np.cos(2 * np.pi * (y - 0.1 * np.abs(x - 0.5)) * 9) * (lungs[Side.LEFT] | lungs[Side.RIGHT])
    if scene.pneumothorax:
        _air(plane, scene, rng, lungs[scene.pneumothorax_side], x)
    plane[np.abs(x - 0.5) < 0.06] = np.maximum(plane, _BODY)[np.abs(x - 0.5) < 0.06]
    width = rng.uniform(*HEART[scene.heart]) * THORAX
    plane[_ellipse(x, y, 0.52, 0.64, width / 2, 0.15)] = _BODY + 0.05
    if scene.opacity:
        plane += _opacity(scene, rng, x, y)
    if scene.effusion:
        _fluid(plane, scene, rng, lungs[scene.effusion_side], x, y)
    _device(plane, scene, x, y)
    plane += rng.normal(0, 0.025, plane.shape).astype(np.float32)
    return Image.fromarray((plane.clip(0, 1) * 255).astype(np.uint8), mode="L")


def _jitter(rng: Rng, most: float) -> float:
    return float(rng.uniform(-most, most))


def _ellipse(x: Plane, y: Plane, cx: float, cy: float, rx: float, ry: float) -> NDArray[np.bool_]:
    return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1


def _outward(side: Side, x: Plane) -> Plane:
    """Return the distance from the midline towards a side of the patient."""
    return x - 0.5 if side is Side.LEFT else 0.5 - x


def _opacity(scene: Scene, rng: Rng, x: Plane, y: Plane) -> Plane:
    """Return a soft round density in the upper or the lower half of a lung."""
    cx = 0.5 + (0.21 if scene.opacity_side is Side.LEFT else -0.21) + _jitter(rng, 0.02)
    cy = (0.30 if scene.opacity_zone == "upper" else 0.60) + _jitter(rng, 0.02)
    radius = rng.uniform(*OPACITY[scene.opacity])
    spread = ((x - cx) ** 2 + (y - cy) ** 2) / radius**2
    return np.asarray(0.6 * np.exp(-(spread**2) / 2), dtype=np.float32)


def _air(plane: Plane, scene: Scene, rng: Rng, lung: NDArray[np.bool_], x: Plane) -> None:
    """Blacken the outer part of a lung, with a fine pleural line at its border."""
    out = _outward(scene.pneumothorax_side, x)
    border = 0.375 - 0.35 * rng.uniform(*AIR[scene.pneumothorax])
    plane[lung & (out > border)] = _AIR_GREY
    plane[lung & (np.abs(out - border) < 0.008)] = _BODY


def _fluid(plane: Plane, scene: Scene, rng: Rng, lung: NDArray[np.bool_], x: Plane, y: Plane) -> None:
    """Whiten the lower part of a lung, higher at the outside: a meniscus."""
    out = _outward(scene.effusion_side, x)
    level = 0.83 - 0.72 * rng.uniform(*FLUID[scene.effusion])
    plane[lung & (y > level + 0.12 * (0.2 - out))] = _FLUID


def _device(plane: Plane, scene: Scene, x: Plane, y: Plane) -> None:
    """Draw a pacemaker below a clavicle with its lead to the heart, or a tube in the trachea."""
    if scene.device == "endotracheal tube":
        plane[(np.abs(x - 0.5) < 0.022) & (y < 0.36)] = _METAL
    elif scene.device == "pacemaker":
        out = _outward(scene.device_side, x)
        plane[(np.abs(out - 0.30) < 0.075) & (np.abs(y - 0.17) < 0.06)] = _METAL
        lead = 0.17 + 0.45 * (0.31 - out) / 0.31
        plane[(np.abs(y - lead) < 0.022) & (out > 0) & (out < 0.31)] = _METAL
