"""Grey pixels as the file has them, with more than eight bits where it has more, and the window to begin with.

For a screen whose window a reader moves: what `decode_dicom` makes black and white at once is left to whoever shows it.
"""

import io
import math
import struct
import warnings
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from PIL import Image

from cxr.miner.images.dicom import GREY

_DEEPEST = 65_535.0


@dataclass(frozen=True)
class Deep:
    """Grey pixels and how they are first shown.

    A value v is shown as (v - (center - width / 2)) / width between black and white, and the other way round where
    `is_inverted`: dense is white on the screen in all images.
    """

    values: Any
    """(rows, columns) of unsigned numbers of eight or sixteen bits."""
    center: float
    width: float
    """In the unit of `values`, more than 0."""
    is_inverted: bool = False

    @property
    def bits(self) -> int:
        """8 or 16."""
        return 8 * int(self.values.dtype.itemsize)

    def within(self, side: int) -> "Deep":
        """Return the same with its longer side at `side` pixels at most; itself where it is no longer."""
        import numpy as np  # noqa: PLC0415 - only where pixels are looked at

        rows, columns = self.values.shape
        scale = side / max(rows, columns)
        if scale >= 1:
            return self
        size = max(1, round(columns * scale)), max(1, round(rows * scale))
        small = Image.fromarray(self.values).resize(size, Image.Resampling.BOX)
        return replace(self, values=np.asarray(small))


def load() -> None:
    """Import what decodes, half a second of work, before anybody waits for a picture."""
    import numpy  # noqa: F401, PLC0415
    import pydicom.pixels.processing  # noqa: PLC0415
    import pydicom.pixels.utils  # noqa: F401, PLC0415


def deep_of(values: Any) -> Deep:
    """Return grey values of any kind, (rows, columns), with a window over all that is there."""
    import numpy as np  # noqa: PLC0415

    if values.dtype not in (np.uint8, np.uint16):
        low, high = float(values.min()), float(values.max())
        values = ((values - low) * (_DEEPEST / max(high - low, 1e-6))).astype(np.uint16)
    return Deep(values, *_over(float(values.min()), float(values.max())))


def deep_dicom(data: bytes, side: int | None = None) -> Deep | None:
    """Return the first frame of a grey DICOM file; None for one in colour.

    With a `side`, JPEG 2000 comes only as large as a longer side of so many pixels needs, which is sooner.
    The window is the file's VOI LUT or first window (PS3.3, sections C.11.1 and C.11.2), and without one what is
    there. A sigmoid is shown as the straight line of the same centre and width. Raises whatever pydicom raises for a
    file that it cannot decode.
    """
    import numpy as np  # noqa: PLC0415
    import pydicom  # noqa: PLC0415 - an extra
    from pydicom.pixels.processing import apply_modality_lut  # noqa: PLC0415
    from pydicom.pixels.utils import pixel_array  # noqa: PLC0415

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        read = pydicom.dcmread(io.BytesIO(data))
        kind = str(read.PhotometricInterpretation)
        if kind not in GREY:
            return None
        coarse = None if side is None else _coarse(read, side)
        values = pixel_array(read, index=0) if coarse is None else coarse
        slope, intercept = 1.0, 0.0
        if read.get("ModalityLUTSequence"):
            values = apply_modality_lut(values, read)
        elif "RescaleSlope" in read and "RescaleIntercept" in read:
            # Kept as stored, so that no bit is lost: the window is brought to them instead.
            slope, intercept = float(read.RescaleSlope) or 1.0, float(read.RescaleIntercept)
        made = _table_applied(values, read) or _windowed(values, read, slope, intercept)
    return replace(made, is_inverted=made.is_inverted != (kind == "MONOCHROME1"))


def is_compressed(path: str) -> bool:
    """Return whether a file is a DICOM file whose pixels are compressed; never raises for what is in it."""
    from pydicom.filereader import read_file_meta_info  # noqa: PLC0415 - an extra

    try:
        return bool(read_file_meta_info(path).TransferSyntaxUID.is_compressed)
    except Exception:  # noqa: BLE001 - no DICOM file, or a damaged one: whoever decodes it says so
        return False


def stored_bits(file: BinaryIO) -> int | None:
    """Return how many bits of a pixel a DICOM file uses; None where its header does not say."""
    import pydicom  # noqa: PLC0415 - an extra

    try:
        read = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["BitsStored"])
        return int(read.BitsStored)
    except Exception:  # noqa: BLE001 - pydicom raises whatever it likes for a damaged file
        return None


def _coarse(read: Any, side: int) -> Any:
    """Return the first frame of JPEG 2000 decoded to half its size, a quarter, ...; None where that cannot be."""
    import numpy as np  # noqa: PLC0415
    from pydicom.encaps import get_frame  # noqa: PLC0415
    from pydicom.pixels.utils import get_j2k_parameters  # noqa: PLC0415
    from pydicom.uid import JPEG2000TransferSyntaxes  # noqa: PLC0415

    halvings = int(math.log2(max(1.0, max(int(read.Rows), int(read.Columns)) / side)))
    if not halvings or read.file_meta.TransferSyntaxUID not in JPEG2000TransferSyntaxes or read.PixelRepresentation:
        return None
    frame = get_frame(read.PixelData, 0, number_of_frames=int(read.get("NumberOfFrames") or 1))
    precision = get_j2k_parameters(frame).get("precision", 0)
    image: Any = Image.open(io.BytesIO(frame), formats=("JPEG2000",))
    try:
        image.reduce = halvings
        image.load()
    except OSError:  # it has fewer sizes in it
        return None
    values = np.asarray(image)
    if values.ndim != 2 or values.dtype not in (np.uint8, np.uint16):
        return None
    # Pillow moves numbers of few bits up to the top of eight or sixteen.
    return values >> max(0, 8 * values.dtype.itemsize - precision)


def _windowed(values: Any, read: Any, slope: float, intercept: float) -> Deep:
    """Return stored values with the file's first window in their unit; a slope below 0 turns black and white round."""
    import numpy as np  # noqa: PLC0415

    if values.dtype in (np.int8, np.int16):
        lowest = int(values.min())
        values = (values.astype(np.int32) - lowest).astype(np.uint8 if values.dtype == np.int8 else np.uint16)
        intercept += slope * lowest
    whole = replace(deep_of(values), is_inverted=slope < 0)
    if whole.values is not values:  # of more than sixteen bits: the window is in another unit
        return whole
    try:
        center, width = (float(_first(read[name].value)) for name in ("WindowCenter", "WindowWidth"))
    except (KeyError, TypeError, ValueError, IndexError):
        return whole
    if str(read.get("VOILUTFunction") or "LINEAR").upper() == "LINEAR":
        # Its black ends half a value, its white a whole one earlier than the width says (C.11.2.1.2.1).
        center, width = center - 0.5, max(width - 1.0, 1e-3) if width >= 1 else 0.0
    if not (width > 0 and np.isfinite(center) and np.isfinite(width)):
        return whole
    return replace(whole, center=(center - intercept) / slope, width=width / abs(slope))


def _table_applied(values: Any, read: Any) -> Deep | None:
    """Return the values behind the file's VOI LUT, a curve, where it has one that can be used."""
    import numpy as np  # noqa: PLC0415
    from pydicom.pixels.processing import apply_modality_lut, apply_voi  # noqa: PLC0415

    if not read.get("VOILUTSequence"):
        return None
    try:
        (_, _, bits) = read.VOILUTSequence[0].LUTDescriptor
        rescaled = values if read.get("ModalityLUTSequence") else apply_modality_lut(values, read)
        curved = apply_voi(rescaled.astype(np.int64), read)
        kept = curved.astype(np.uint8 if int(bits) <= 8 else np.uint16)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError, struct.error):
        return None
    return Deep(kept, *_over(0.0, float(2 ** int(bits) - 1)))


def _over(low: float, high: float) -> tuple[float, float]:
    """Return centre and width of a window from black to white."""
    return (low + high) / 2, max(high - low, 1e-3)


def _first(value: Any) -> Any:
    """Return a value, or the first of several: a file may offer more windows than one."""
    return value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value
