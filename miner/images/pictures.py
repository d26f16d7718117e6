"""The one decoder: image files as models want them, eight bits and three channels, for all commands that show any.

Training, prediction, checks and exports see the same array of the same file; a reader's screen sees it with all its
bits (`open_deep`), and begins with the same window. The first frame of an animated PNG or a
DICOM of several is taken; GIF, WebP, TIFF and whatever else is neither PNG, JPEG nor DICOM is refused.
"""

import io
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from cxr.miner.images.deep import Deep, deep_dicom, deep_of, stored_bits
from cxr.miner.images.dicom import decode_dicom
from cxr.miner.images.facts import NO_PYDICOM, NOT_AN_IMAGE, has_pydicom, is_dicom
from cxr.miner.kit.errors import MiningReject
from cxr.schemas.vocabulary import RejectReason

# An image: a file, or the bytes of one that an export holds.
Picture = str | bytes

Fit = Callable[[int, int], tuple[int, int]]
"""Width and height at which an image of a width and height is shown; ValueError where it cannot be shown."""

_DEEP = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I", "F"})
_WITH_ALPHA = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_PLAIN = frozenset({"1", "L", "P", "RGB"})


class BadPicture(MiningReject):
    """An image that cannot be shown to a model, and why."""


@dataclass(frozen=True)
class Within:
    """Scales down to an area in pixels; what is smaller stays as it is."""

    max_pixels: int

    def __call__(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height at which an image is shown."""
        scale = min(1.0, math.sqrt(self.max_pixels / (width * height)))
        return max(1, int(width * scale)), max(1, int(height * scale))


@dataclass(frozen=True)
class Square:
    """Scales to a square, up or down and whatever the shape, as some models are trained."""

    side: int

    def __call__(self, width: int, height: int) -> tuple[int, int]:  # noqa: ARG002 - a fit is asked with both
        """Return the square's width and height."""
        return self.side, self.side


def open_picture(picture: Picture, fit: Fit | None = None) -> Image.Image:
    """Decode a PNG, JPEG or DICOM file to RGB, upright; raises BadPicture for one that is missing, damaged or too odd.

    `fit` says how large the image is shown: what is larger (for `Square` also what is smaller) is scaled to that, a
    JPEG already while it is decoded
    (libjpeg's own halving, then bicubic), so a bound costs less than none. More than eight bits are scaled by the
    range of what is there, as a viewer's first window does; DICOM by its own window. What is transparent is black.
    """
    name = picture if isinstance(picture, str) else "an embedded image"
    data = read_picture(picture)
    if is_dicom(data):
        image = _dicom(data, name)
        size = _target(image.size, fit, name)
    else:
        image, size = _decoded(data, name, fit)
    is_smaller = size[0] <= image.width and size[1] <= image.height
    if size != image.size and (is_smaller or isinstance(fit, Square)):
        image = image.resize(size, Image.Resampling.BICUBIC)
    return image.convert("RGB")


def open_deep(picture: Picture, side: int | None = None) -> Deep:
    """Decode a PNG, JPEG or DICOM file to grey with all its bits, upright; raises BadPicture as `open_picture` does.

    With a `side`, one whose decoder can may come smaller, but with a longer side of no fewer pixels than that.
    """
    import numpy as np  # noqa: PLC0415 - only where pixels are looked at

    name = picture if isinstance(picture, str) else "an embedded image"
    data = read_picture(picture)
    if is_dicom(data):
        return _of_dicom(data, name, partial(deep_dicom, side=side)) or _eight_deep(_dicom(data, name))
    decoded = _upright(_loaded(_opened(data, name), name))
    if decoded.mode in _DEEP:
        return deep_of(np.asarray(decoded))
    return _eight_deep(_eight_bits(decoded))


def depth(path: str) -> int | None:
    """Return how many bits a pixel of a file has in one channel, by its header; None where a DICOM file hides that."""
    with Path(path).open("rb") as file:
        if not is_dicom(file.read(200)):
            file.seek(0)
            return 16 if _opened(file, path).mode in _DEEP else 8
        file.seek(0)
        return stored_bits(file)


def read_picture(picture: Picture) -> bytes:
    """Return the bytes of an image file; raises BadPicture for one that is missing or cannot be read."""
    if isinstance(picture, bytes):
        return picture
    try:
        return Path(picture).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise BadPicture(RejectReason.IMAGE_ABSENT, f"there is no {picture}") from None
    except OSError as error:
        raise BadPicture(RejectReason.IMAGE_UNREADABLE, f"{picture}: {error.strerror}") from None


def plain_bytes(picture: Picture) -> bytes:
    """Return an image as the bytes of a file that every reader shows as `open_picture` does.

    That is the file itself where it is an upright PNG or JPEG of eight bits, and else a PNG of what is shown.
    """
    data = read_picture(picture)
    if not is_dicom(data):
        opened = _opened(data, str(picture)[:200])
        if opened.mode in _PLAIN and "transparency" not in opened.info and _upright(opened) is opened:
            return data
    image = open_picture(picture)
    buffer = io.BytesIO()
    (image.getchannel(0) if is_grey(image) else image).save(buffer, "PNG")
    return buffer.getvalue()


def is_grey(image: Image.Image) -> bool:
    """Return whether the three channels of an image are equal."""
    red, green, blue = image.split()
    return red.tobytes() == green.tobytes() == blue.tobytes()


def is_constant(image: Image.Image) -> bool:
    """Return whether an image is of one colour: nothing can be seen in it."""
    extremes: Any = image.getextrema()
    return all(low == high for low, high in extremes)


def _target(size: tuple[int, int], fit: Fit | None, name: str) -> tuple[int, int]:
    try:
        return size if fit is None else fit(*size)
    except ValueError:
        width, height = size
        raise BadPicture(
            RejectReason.IMAGE_SHAPE, f"{name} is {width:,} x {height:,} pixels, a shape that the model does not take"
        ) from None


def _opened(data: bytes | BinaryIO, name: str) -> Image.Image:
    """Read the header of a PNG or JPEG; raises BadPicture for what is neither."""
    try:
        with warnings.catch_warnings():
            # Medical images are large; a bomb is caught by the error that Pillow raises at twice this size.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(data) if isinstance(data, bytes) else data, formats=("PNG", "JPEG"))
    except UnidentifiedImageError:
        raise BadPicture(RejectReason.IMAGE_UNREADABLE, f"{name} is {NOT_AN_IMAGE}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise _damaged(name) from None


def _decoded(data: bytes, name: str, fit: Fit | None) -> tuple[Image.Image, tuple[int, int]]:
    """Return a PNG or JPEG in eight bits, upright, and the size at which it is shown."""
    opened = _opened(data, name)
    width, height = _target(opened.size, fit, name)
    upright = _upright(_loaded(opened, name, (width, height)))
    return _eight_bits(upright), (width, height) if upright.size == opened.size else (height, width)


def _loaded(opened: Image.Image, name: str, size: tuple[int, int] | None = None) -> Image.Image:
    """Decode a PNG or JPEG, and return it; a JPEG only as fine as `size` needs."""
    try:
        if size is not None:
            opened.draft(opened.mode, size)  # a PNG has no such thing
        opened.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise _damaged(name) from None
    return opened


def _damaged(name: str) -> BadPicture:
    return BadPicture(RejectReason.IMAGE_TRUNCATED, f"{name} is damaged: it cannot be decoded")


def _upright(image: Image.Image) -> Image.Image:
    """Return the image turned as its EXIF says; itself where that says nothing, or nothing that can be read."""
    try:
        turned = image.getexif().get(0x0112, 1) in range(2, 9)
    except (SyntaxError, ValueError, TypeError, KeyError, OSError):
        return image
    return ImageOps.exif_transpose(image) if turned else image


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return a decoded file as grey or RGB of eight bits."""
    if image.mode in _DEEP:
        import numpy as np  # noqa: PLC0415 - for rare files only

        return _grey(np.asarray(image, dtype=np.float32))
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        shown = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", shown.size, (0, 0, 0, 255)), shown).convert("RGB")
    return image.convert("L" if image.mode in {"1", "L"} else "RGB")


def _grey(values: Any) -> Image.Image:
    """Return numbers as grey: the smallest black, the largest white."""
    import numpy as np  # noqa: PLC0415

    low, high = float(values.min()), float(values.max())
    return Image.fromarray(((values - low) * (255.0 / max(high - low, 1e-6))).astype(np.uint8))


def _eight_deep(image: Image.Image) -> Deep:
    """Return an image of eight bits in grey, black at 0 and white at 255."""
    import numpy as np  # noqa: PLC0415

    return Deep(np.asarray(image.convert("L")), 127.5, 255.0)


def _dicom(data: bytes, name: str) -> Image.Image:
    return Image.fromarray(_of_dicom(data, name, decode_dicom))


def _of_dicom(data: bytes, name: str, decode: Callable[[bytes], Any]) -> Any:
    if not has_pydicom():
        raise BadPicture(RejectReason.IMAGE_UNREADABLE, f"{name}: {NO_PYDICOM}")
    try:
        return decode(data)
    except Exception:  # noqa: BLE001 - pydicom and its decoders raise whatever they like for a damaged file
        raise BadPicture(RejectReason.IMAGE_UNREADABLE, f"{name} is a DICOM file that pydicom cannot decode") from None
