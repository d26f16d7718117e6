"""A scene as a picture: the shapes of the pack from the back to the front, in grey, with noise and a jitter.

The patient's right is on the viewer's left, as radiologists see a picture. Coordinates run from 0 to 1, down and to the
right. Nothing is anatomy.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr.miner.pack import pack
from cxr.miner.pack.phantom import Bar, Blob, Box, Ellipse, Lengths, Level, Pair, Rim, Shape, Waves
from cxr.schemas.vocabulary import Side
from cxr.trainer.phantom.scene import NOT_SHOWN, Rng, Scene, Shown

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]


def draw(scene: Scene, rng: Rng, size: int = 96) -> Image.Image:
    """Return the picture of a scene: grey (mode L), `size` by `size` pixels.

    `rng` draws what no report tells: exact measures within a degree, small shifts, and noise.
    """
    picture = pack().phantom.picture
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    x, y = x + _jitter(rng, picture.shift), y + _jitter(rng, picture.shift)
    canvas = _Canvas(scene, rng, x, y, np.full((size, size), picture.ground, dtype=np.float32))
    for shape in picture.shape:
        canvas.add(shape)
    plane = canvas.plane + rng.normal(0, picture.noise, canvas.plane.shape).astype(np.float32)
    return Image.fromarray((plane.clip(0, 1) * 255).astype(np.uint8), mode="L")


def _jitter(rng: Rng, most: float) -> float:
    return float(rng.uniform(-most, most))


@dataclass(slots=True)
class _Canvas:
    """A picture in the making."""

    scene: Scene
    rng: Rng
    x: Plane
    y: Plane
    plane: Plane
    fields: dict[Side, Mask] = field(default_factory=dict)
    """What the shapes of a side lie in."""

    def add(self, shape: Shape) -> None:
        """Draw one shape; one of a finding that is not there only where it belongs to the picture anyway."""
        of = None if isinstance(shape, Pair | Waves) else shape.of
        shown = NOT_SHOWN if of is None else self.scene[of]
        if of is not None and not isinstance(shape, Ellipse) and not shown:
            return
        if isinstance(shape, Bar | Box) and shape.kind != shown.kind:
            return
        match shape:
            case Ellipse():
                self._ellipse(shape, shown)
            case Pair():
                self._pair(shape)
            case Waves():
                self._waves(shape)
            case Bar():
                bar = (np.abs(self.x - 0.5) < shape.half_width) & (self.y < shape.bottom)
                self.plane[bar] = np.maximum(self.plane, shape.grey)[bar]
            case Rim():
                self._rim(shape, shown)
            case Blob():
                self._blob(shape, shown)
            case Level():
                self._level(shape, shown)
            case Box():
                self._box(shape, shown)

    def _measure(self, shown: Shown, lengths: Lengths) -> float:
        return float(self.rng.uniform(*shown.degree.of(lengths)))

    def _inside(self, cx: float, cy: float, rx: float, ry: float) -> Mask:
        return np.asarray(((self.x - cx) / rx) ** 2 + ((self.y - cy) / ry) ** 2 < 1)

    def _outward(self, side: Side) -> Plane:
        """Return the distance from the midline towards a side of the patient."""
        return self.x - 0.5 if side is Side.LEFT else 0.5 - self.x

    def _ellipse(self, shape: Ellipse, shown: Shown) -> None:
        rx, ry = shape.radii
        if shape.size is not None:
            rx = self._measure(shown, shape.size) * shape.scale / 2
        self.plane[self._inside(*shape.at, rx, ry)] = shape.grey

    def _pair(self, shape: Pair) -> None:
        for side, off in ((Side.RIGHT, -shape.off), (Side.LEFT, shape.off)):
            self.fields[side] = self._inside(0.5 + off, shape.y, *shape.radii)
            self.plane[self.fields[side]] = shape.grey

    def _waves(self, shape: Waves) -> None:
        height = self.y - shape.bend * np.abs(self.x - 0.5)
        texture = shape.strength * np.cos(2 * np.pi * height * shape.number)
        self.plane += texture * (self.fields[Side.LEFT] | self.fields[Side.RIGHT])

    def _rim(self, shape: Rim, shown: Shown) -> None:
        """Empty the outer part of a field, with a fine line at its border."""
        out, inside = self._outward(shown.side), self.fields[shown.side]
        border = shape.outside - shape.reach * self._measure(shown, shape.size)
        self.plane[inside & (out > border)] = shape.grey
        self.plane[inside & (np.abs(out - border) < shape.line_width)] = shape.line

    def _blob(self, shape: Blob, shown: Shown) -> None:
        """Add a soft round density in a zone of a field."""
        cx = 0.5 + (shape.off if shown.side is Side.LEFT else -shape.off) + _jitter(self.rng, shape.shift)
        cy = shape.y[shown.zone] + _jitter(self.rng, shape.shift)
        spread = ((self.x - cx) ** 2 + (self.y - cy) ** 2) / self._measure(shown, shape.size) ** 2
        self.plane += np.asarray(shape.strength * np.exp(-(spread**2) / 2), dtype=np.float32)

    def _level(self, shape: Level, shown: Shown) -> None:
        """Fill the lower part of a field, higher at the outside, as water stands in a glass."""
        level = shape.bottom - shape.reach * self._measure(shown, shape.size)
        bent = level + shape.bend * (shape.crest - self._outward(shown.side))
        self.plane[self.fields[shown.side] & (self.y > bent)] = shape.grey

    def _box(self, shape: Box, shown: Shown) -> None:
        """Draw a box on a side, with a line from it to the middle."""
        out = self._outward(shown.side)
        (off, top), (half_width, half_height) = shape.at, shape.half
        self.plane[(np.abs(out - off) < half_width) & (np.abs(self.y - top) < half_height)] = shape.grey
        line = top + shape.line_drop * (shape.line_length - out) / shape.line_length
        on_line = (np.abs(self.y - line) < shape.line_half_width) & (out > 0) & (out < shape.line_length)
        self.plane[on_line] = shape.grey
