"""Small made images: noise as PNG and JPEG, and DICOM files in three transfer syntaxes."""

import io
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image
from pydicom import config
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit

WIDTH, HEIGHT = 70, 40


def picture(kind: str, **options: object) -> bytes:
    """Give the noise as a file of Pillow's format `kind`."""
    pixels = random.Random(0).randbytes(WIDTH * HEIGHT)
    buffer = io.BytesIO()
    Image.frombytes("L", (WIDTH, HEIGHT), pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def dicom(syntax: UID = ExplicitVRLittleEndian, *, age: str = "061Y") -> bytes:
    """Give a DICOM file of a PA view of a woman."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1")
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.Rows, made.Columns = HEIGHT, WIDTH
    made.SamplesPerPixel, made.BitsAllocated, made.BitsStored, made.HighBit = 1, 8, 8, 7
    made.PixelRepresentation, made.PhotometricInterpretation = 0, "MONOCHROME2"
    made.ViewPosition, made.PatientSex = "PA", "F"
    made.PixelData = encapsulate([picture("JPEG")]) if syntax == JPEGBaseline8Bit else bytes(WIDTH * HEIGHT)
    made["PixelData"].is_undefined_length = syntax == JPEGBaseline8Bit
    with config.disable_value_validation():  # RSNA writes ages without a unit
        made.PatientAge = age
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def dicom_of(pixels: "np.ndarray[Any, Any]", **told: Any) -> bytes:
    """Give an uncompressed DICOM file of these pixels: (rows, columns), frames of them, or with three channels."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID("1.2.840.10008.5.1.4.1.1.1"), UID("1.2.3")
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    is_colour = pixels.shape[-1] == 3
    frames = pixels.reshape(-1, *(pixels.shape[-3:] if is_colour else pixels.shape[-2:]))
    made.NumberOfFrames, made.Rows, made.Columns = frames.shape[:3]
    bits = 8 * pixels.dtype.itemsize
    made.SamplesPerPixel, made.BitsAllocated, made.BitsStored, made.HighBit = 1, bits, bits, bits - 1
    made.PixelRepresentation, made.PhotometricInterpretation = 0, "MONOCHROME2"
    for name, value in told.items():
        setattr(made, name, value)
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def processor_of_size(least: int, most: int) -> Any:
    """Give what a decoder asks of Qwen's processors: patches of 14 pixels, merged by two."""
    images = SimpleNamespace(
        do_resize=True, patch_size=14, merge_size=2, size={"shortest_edge": least, "longest_edge": most}
    )
    return SimpleNamespace(image_processor=images)
