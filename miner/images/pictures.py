"""Image files as models want them: eight bits, three channels."""

import io
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from cxr.miner.images.facts import NO_PYDICOM, has_pydicom, is_dicom
from cxr.miner.kit.errors import MiningReject
from cxr.schemas.vocabulary import RejectReason

# An image: a file, or the bytes of one that an export holds.
Picture = str | bytes


class BadPicture(MiningReject):
    """An image that cannot be shown to a model, and why."""


def open_picture(picture: Picture) -> Image.Image:
    """Decode a PNG, JPEG or DICOM file to RGB; raises BadPicture for one that is missing or damaged.

    More than eight bits are scaled down by the range of what is there, as a viewer's first window does; MONOCHROME1
    (dense is black) is inverted, so that dense is white in all images (DICOM PS3.3, section C.7.6.3.1.2).
    """
    name = picture if isinstance(picture, str) else "an embedded image"
    try:
        data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise BadPicture(RejectReason.IMAGE_ABSENT, f"there is no {name}") from None
    except OSError as error:
        raise BadPicture(RejectReason.IMAGE_UNREADABLE, f"{name}: {error.strerror}") from None
    if is_dicom(data):
        return _dicom(data, name)
    try:
        with warnings.catch_warnings():
            # Medical images are large; a bomb is caught by the error that Pillow raises at twice this size.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(io.BytesIO(data))
            opened.load()
    except UnidentifiedImageError:
        raise BadPicture(RejectReason.IMAGE_UNREADABLE, f"{name} is neither PNG, JPEG nor DICOM") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise BadPicture(RejectReason.IMAGE_TRUNCATED, f"{name} is damaged: it cannot be decoded") from None
    if opened.mode in {"I;16", "I;16B", "I", "F"}:
        return _eight_bits(opened)
    return opened.convert("RGB")


def _eight_bits(image: Any, *, inverted: bool = False) -> Image.Image:
    import numpy as np  # noqa: PLC0415 - for rare files only

    values = np.asarray(image, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255.0 / max(high - low, 1e-6))
    return Image.fromarray((255.0 - scaled if inverted else scaled).astype(np.uint8)).convert("RGB")


def _dicom(data: bytes, name: str) -> Image.Image:
    if not has_pydicom():
        raise BadPicture(RejectReason.IMAGE_UNREADABLE, f"{name}: {NO_PYDICOM}")
    import pydicom  # noqa: PLC0415 - an extra

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = pydicom.dcmread(io.BytesIO(data))
            pixels = read.pixel_array
    except Exception:  # noqa: BLE001 - pydicom and its decoders raise whatever they like for a damaged file
        raise BadPicture(RejectReason.IMAGE_UNREADABLE, f"{name} is a DICOM file that pydicom cannot decode") from None
    if pixels.ndim == 3 and pixels.shape[-1] == 3:
        return Image.fromarray(pixels).convert("RGB")
    return _eight_bits(
        pixels if pixels.ndim == 2 else pixels[0], inverted=read.PhotometricInterpretation == "MONOCHROME1"
    )
