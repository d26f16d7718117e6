"""Pixels for a reader's screen: all bits of the file, and a window that begins with what the one decoder shows."""

import io
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit

from cxr.miner.images.deep import Deep
from cxr.miner.images.pictures import BadPicture, depth, open_deep, open_picture
from cxr.miner.review.pixels import NoPixels, Pixels, packed
from tests.pictures import dicom, dicom_of

RAMP = np.linspace(0, 255, 60 * 40).reshape(40, 60).astype(np.uint8)
DEEP = np.linspace(1000, 5000, 60 * 40).reshape(40, 60).astype(np.uint16)
SIGNED = (DEEP.astype(np.int32) - 3000).astype(np.int16)
COLOUR = np.stack([RAMP, RAMP[::-1], np.full_like(RAMP, 9)], axis=-1)
WINDOW = {"WindowCenter": 3000, "WindowWidth": 1000}


def table() -> Dataset:
    made = Dataset()
    made.LUTDescriptor, made.LUTData = [4096, 1000, 12], np.arange(4095, -1, -1, dtype=np.uint16).tobytes()
    made["LUTData"].VR = "OW"
    return made


def file_of(pixels: "np.ndarray[Any, Any]", kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def shown(image: Deep) -> Any:
    """What the page makes of the samples."""
    values = (image.values.astype(float) - (image.center - image.width / 2)) / image.width
    return (1 - values.clip(0, 1) if image.is_inverted else values.clip(0, 1)) * 255


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


@pytest.mark.parametrize(
    "data",
    [
        dicom_of(DEEP, BitsStored=13, HighBit=12, **WINDOW),
        dicom_of(DEEP),
        dicom_of(DEEP, PhotometricInterpretation="MONOCHROME1", **WINDOW),
        dicom_of(DEEP, WindowCenter=[3000, 1], WindowWidth=[1000, 2]),
        dicom_of(DEEP, VOILUTFunction="LINEAR_EXACT", **WINDOW),
        dicom_of(DEEP, WindowCenter=3000, WindowWidth=0),
        dicom_of(DEEP, WindowCenter=3000, WindowWidth=1),
        dicom_of(SIGNED, PixelRepresentation=1, WindowCenter=100, WindowWidth=500),
        dicom_of(SIGNED, PixelRepresentation=1),
        dicom_of(DEEP, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=5000, WindowWidth=2000),
        dicom_of(DEEP, RescaleSlope=-1, RescaleIntercept=5000, WindowCenter=2000, WindowWidth=2000),
        dicom_of(DEEP, RescaleSlope=-1, RescaleIntercept=5000, PhotometricInterpretation="MONOCHROME1"),
        dicom_of(DEEP, VOILUTSequence=[table()]),
        dicom_of(RAMP),
        dicom_of(np.stack([DEEP, DEEP[::-1]]), **WINDOW),
        dicom_of(DEEP.astype(np.uint32) * 9000),
        file_of(DEEP),
        file_of(RAMP),
        file_of(RAMP, "JPEG", quality=95),
        file_of(RAMP, "JPEG", quality=95, exif=exif(6)),
    ],
)
def test_the_first_look_is_what_the_one_decoder_shows(data: bytes) -> None:
    seen = np.asarray(open_picture(data))[..., 0]
    assert np.abs(shown(open_deep(data)) - seen).max() <= 2


def test_more_than_eight_bits_are_kept() -> None:
    kept = open_deep(dicom_of(DEEP, **WINDOW))
    assert (kept.bits, kept.values.tolist()) == (16, DEEP.tolist())
    assert (kept.center, kept.width) == (2999.5, 999.0)  # the line of DICOM's LINEAR, half a value earlier
    assert open_deep(file_of(DEEP)).values.tolist() == DEEP.tolist()
    assert open_deep(file_of(RAMP)).bits == 8


def test_a_sigmoid_is_shown_as_the_line_of_its_window() -> None:
    kept = open_deep(dicom_of(DEEP, VOILUTFunction="SIGMOID", **WINDOW))
    assert (kept.center, kept.width) == (3000, 1000)


def test_colour_becomes_grey() -> None:
    for data in (file_of(COLOUR), dicom_of(COLOUR, PhotometricInterpretation="RGB", SamplesPerPixel=3,
                                          PlanarConfiguration=0)):  # fmt: skip
        grey = open_deep(data)
        assert (grey.bits, grey.values.shape) == (8, RAMP.shape)


def test_a_preview_keeps_bits_shape_and_window() -> None:
    whole = Deep(np.tile(DEEP, (5, 5)), 3000.0, 500.0, is_inverted=True)
    small = whole.within(100)
    assert small.values.shape == (67, 100)
    assert (small.bits, small.center, small.is_inverted) == (16, 3000.0, True)
    assert abs(float(small.values.mean()) - float(whole.values.mean())) < 2
    assert whole.within(300) is whole


def test_samples_are_sent_little_endian_row_by_row() -> None:
    body, headers = packed(open_deep(dicom_of(DEEP, PhotometricInterpretation="MONOCHROME1", **WINDOW)))
    assert np.frombuffer(body, "<u2").reshape(40, 60).tolist() == DEEP.tolist()
    assert headers == {
        "X-Width": "60", "X-Height": "40", "X-Bits": "16", "X-Window-Center": "2999.5", "X-Window-Width": "999",
        "X-Inverted": "1",
    }  # fmt: skip


def test_facts_come_from_the_header(tmp_path: Path) -> None:
    pixels = Pixels()
    for name, data, expected in (
        ("deep.dcm", dicom_of(DEEP, BitsStored=12, HighBit=11), (60, 40, 12, False)),
        ("deep.png", file_of(DEEP), (60, 40, 16, False)),
        ("plain.jpg", file_of(RAMP, "JPEG"), (60, 40, 8, False)),
        ("short.png", file_of(RAMP)[:200], (None, None, None, True)),
        ("words.png", b"these are words", (None, None, None, True)),
    ):
        (tmp_path / name).write_bytes(data)
        facts = pixels.facts(str(tmp_path / name))
        assert (facts.width, facts.height, facts.bits, facts.problem is not None) == expected, name
    assert "missing" in str(pixels.facts(str(tmp_path / "gone.png")).problem)
    assert depth(str(tmp_path / "deep.dcm")) == 12


def test_what_cannot_be_shown_is_one_sentence_without_the_path(tmp_path: Path) -> None:
    (tmp_path / "patient.dcm").write_bytes(dicom_of(DEEP)[:-2000])
    (tmp_path / "patient.png").write_bytes(file_of(DEEP)[:-40])
    for name in ("patient.dcm", "patient.png", "patient.gone", "pat\0ient"):
        with pytest.raises(NoPixels) as told:
            Pixels().image(str(tmp_path / name))
        assert "patient" not in str(told.value)
        assert told.value.is_missing == (name == "patient.gone")


def test_a_file_is_decoded_once_for_all_who_ask_and_again_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, begun, decoded = tmp_path / "one.png", threading.Event(), []

    def slowly(path: str, _: int | None) -> Deep:
        decoded.append(path)
        begun.wait(10)
        return open_deep(path)

    monkeypatch.setattr("cxr.miner.review.pixels.open_deep", slowly)
    place.write_bytes(file_of(DEEP))
    pixels = Pixels()
    threads = [threading.Thread(target=pixels.image, args=(str(place), side)) for side in (None, None, 30, 30)]
    for thread in threads:
        thread.start()
    begun.set()
    for thread in threads:
        thread.join()
    assert len(decoded) == 1
    place.write_bytes(file_of(RAMP))
    assert (pixels.image(str(place)).bits, len(decoded)) == (8, 2)


def test_what_was_asked_for_longest_ago_goes_first(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path in paths:
        path.write_bytes(file_of(RAMP))
    pixels = Pixels(most_bytes=2 * RAMP.nbytes + 10)
    kept = [pixels.image(str(path)) for path in paths[:2]]
    assert pixels.image(str(paths[0])) is kept[0]
    pixels.image(str(paths[2]))
    assert pixels.bytes_kept <= 2 * RAMP.nbytes + 10
    assert pixels.image(str(paths[0])) is kept[0]
    assert pixels.image(str(paths[1])) is not kept[1]


def test_compressed_dicom_is_decoded_beside_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its decoders hold the interpreter while they work, and nobody could save meanwhile."""
    monkeypatch.setattr("cxr.miner.review.pixels.processors", lambda: 1)
    whole, damaged = tmp_path / "whole.dcm", tmp_path / "damaged.dcm"
    whole.write_bytes(dicom(JPEGBaseline8Bit))
    damaged.write_bytes(whole.read_bytes()[:600] + bytes(400) + whole.read_bytes()[1000:])
    pixels = Pixels()
    pixels.begin([str(whole)])
    assert pixels.image(str(whole)).values.tolist() == open_deep(str(whole)).values.tolist()
    with pytest.raises(NoPixels, match="cannot be read"):
        pixels.image(str(damaged))
    workers = pixels._pool()._processes
    for worker in workers.values():
        os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join()
    with pytest.raises(NoPixels):
        pixels.image(str(damaged))
    assert pixels.image(str(whole)).bits == 8
    pixels.close()
    assert not any(worker.is_alive() for worker in workers.values())


def jpeg_2000(pixels: "np.ndarray[Any, Any]", bits: int, **told: Any) -> bytes:
    made = pydicom.dcmread(io.BytesIO(dicom_of(pixels, BitsStored=bits, HighBit=bits - 1, **told)))
    frame = io.BytesIO()
    Image.fromarray(pixels).save(frame, "JPEG2000", irreversible=False, no_jp2=True)
    made.PixelData = encapsulate([frame.getvalue()])
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    made.file_meta.TransferSyntaxUID = JPEG2000Lossless
    buffer = io.BytesIO()
    made.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(("depth", "bits"), [(np.uint8, 8), (np.uint16, 16)])
def test_jpeg_2000_comes_coarse_where_that_is_enough(depth: Any, bits: int) -> None:
    high = np.kron(np.linspace(0, 2**bits - 1, 48).reshape(6, 8), np.ones((40, 40))).astype(depth)
    data = jpeg_2000(high, bits, WindowCenter=2 ** (bits - 1), WindowWidth=2**bits)
    whole, coarse = open_deep(data), open_deep(data, 100)
    assert whole.values.tolist() == high.tolist()
    assert (coarse.values.shape, coarse.bits) == ((120, 160), bits)
    assert (coarse.center, coarse.width) == (whole.center, whole.width)
    near = np.abs(coarse.within(32).values.astype(int) - whole.within(32).values.astype(int))
    assert float(np.median(near)) <= 0.02 * 2**bits
    assert open_deep(data, 300).values.shape == high.shape


def test_jpeg_2000_of_thirteen_bits_is_of_one_scale_in_all_sizes() -> None:
    """Pillow moves such numbers up to sixteen bits."""
    made = pydicom.dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "J2K_pixelrep_mismatch.dcm")
    made.PixelRepresentation = 0
    buffer = io.BytesIO()
    made.save_as(buffer)
    whole, coarse = open_deep(buffer.getvalue()), open_deep(buffer.getvalue(), 128)
    assert (whole.values.shape, coarse.values.shape) == ((512, 512), (128, 128))
    assert abs(float(whole.values.mean()) - float(coarse.values.mean())) < 0.02 * float(whole.values.mean())


def test_a_missing_file_is_a_bad_picture(tmp_path: Path) -> None:
    with pytest.raises(BadPicture):
        open_deep(str(tmp_path / "gone.png"))
