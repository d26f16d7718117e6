"""DICOM pixels as a viewer first shows them: rescaled, windowed, dense is white. Needs pydicom, an extra."""

import io
import struct
import warnings
from typing import Any

GREY = ("MONOCHROME1", "MONOCHROME2")


def decode_dicom(data: bytes) -> Any:
    """Return the first frame of a DICOM file as an array of eight bits: (rows, columns), or (rows, columns, 3).

    Grey goes through the file's rescale and its VOI LUT or first window (DICOM PS3.3, sections C.11.1 and C.11.2); a
    file without them through the range of what is there. MONOCHROME1 (dense is black) is inverted, so that dense is
    white in all images (section C.7.6.3.1.2). Raises whatever pydicom raises for a file that it cannot decode.
    """
    import numpy as np  # noqa: PLC0415 - for rare files only
    import pydicom  # noqa: PLC0415 - an extra
    from pydicom.pixels.processing import apply_color_lut  # noqa: PLC0415
    from pydicom.pixels.utils import pixel_array  # noqa: PLC0415

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        read = pydicom.dcmread(io.BytesIO(data))
        pixels = pixel_array(read, index=0)
        kind = str(read.PhotometricInterpretation)
        if kind == "PALETTE COLOR":
            pixels = apply_color_lut(pixels, read)
        if kind not in GREY:
            return _bytes_of(pixels, 0.0, float(2 ** (8 * pixels.dtype.itemsize) - 1))
        shown = _bytes_of(*_windowed(pixels, read))
    return 255 - shown if kind == "MONOCHROME1" else shown


def _windowed(pixels: Any, read: Any) -> tuple[Any, float, float]:
    """Return grey values, with those of them that are black and white."""
    import numpy as np  # noqa: PLC0415
    from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing  # noqa: PLC0415

    values = apply_modality_lut(pixels, read)
    try:
        if read.get("VOILUTSequence"):
            (_, _, bits) = read.VOILUTSequence[0].LUTDescriptor
            return apply_voi(values.astype(np.int64), read), 0.0, float(2**bits - 1)
        if "WindowCenter" in read and "WindowWidth" in read:
            # Far below and far above the window stand its own black and white.
            low, high = apply_windowing(np.array([-1e12, 1e12]), read)
            return apply_windowing(values, read), float(low), float(high)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError, struct.error):
        pass  # a window that says nothing, such as one of width 0
    return values, float(values.min()), float(values.max())


def _bytes_of(values: Any, low: float, high: float) -> Any:
    import numpy as np  # noqa: PLC0415

    if values.dtype == np.uint8 and (low, high) == (0.0, 255.0):
        return values
    # Where the rescale slope is negative, white is the lower number.
    scaled = (values.astype(np.float32) - low) * (255.0 / ((high - low) or 1e-6))
    return scaled.clip(0, 255).astype(np.uint8)
