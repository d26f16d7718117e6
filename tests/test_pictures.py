"""The one decoder: every kind of file becomes the same array for training and for prediction."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import JPEGBaseline8Bit

from cxr.miner.images.pictures import BadPicture, Within, is_constant, open_picture, plain_bytes
from cxr.schemas.vocabulary import RejectReason
from tests.pictures import dicom, dicom_of, picture

RAMP = np.linspace(0, 255, 60 * 40).reshape(40, 60).astype(np.uint8)
DEEP = np.linspace(1000, 5000, 60 * 40).reshape(40, 60).astype(np.uint16)
COLOUR = np.stack([RAMP, RAMP[::-1], np.full_like(RAMP, 9)], axis=-1)


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey() -> Image.Image:
    return Image.fromarray(RAMP)


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


def clear_half(image: Image.Image) -> Image.Image:
    mask = Image.new("L", image.size, 255)
    mask.paste(0, (0, 0, 30, 40))
    image.putalpha(mask)
    return image


def animated(kind: str) -> bytes:
    second = Image.fromarray(255 - RAMP)
    return file_of(grey(), kind, save_all=True, append_images=[second])


KINDS: dict[str, bytes] = {
    "grey": file_of(grey()),
    "grey of 16 bits": file_of(Image.fromarray(DEEP)),
    "one bit": file_of(grey().convert("1")),
    "palette": file_of(Image.fromarray(COLOUR).quantize(64)),
    "palette with a clear colour": file_of(Image.fromarray(COLOUR).quantize(8), transparency=0),
    "grey with alpha": file_of(clear_half(grey())),
    "colour": file_of(Image.fromarray(COLOUR)),
    "colour with alpha": file_of(clear_half(Image.fromarray(COLOUR))),
    "animated PNG": animated("PNG"),
    "JPEG": file_of(grey(), "JPEG", quality=95),
    "colour JPEG": file_of(Image.fromarray(COLOUR), "JPEG", quality=95),
    "CMYK JPEG": file_of(Image.fromarray(COLOUR).convert("CMYK"), "JPEG", quality=95),
    "turned JPEG": file_of(grey(), "JPEG", quality=95, exif=exif(6)),
    "JPEG with a broken EXIF": picture("JPEG", exif=b"Exif\0\0" + b"x" * 300),
    "large JPEG": file_of(grey().resize((1200, 800)), "JPEG", quality=95),
    "large PNG": file_of(grey().resize((1200, 800))),
    "DICOM": dicom_of(RAMP),
    "inverted DICOM": dicom_of(RAMP, PhotometricInterpretation="MONOCHROME1"),
    "deep DICOM": dicom_of(DEEP),
    "windowed DICOM": dicom_of(DEEP, WindowCenter=3000, WindowWidth=1000),
    "compressed DICOM": dicom(JPEGBaseline8Bit),
}


def shown(data: bytes) -> np.ndarray[Any, Any]:
    image = open_picture(data)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
def test_training_and_prediction_see_the_same_array(data: bytes, tmp_path: Path) -> None:
    """Both as they are called: the transform of the training's rows, and the model's own preparation."""
    pytest.importorskip("torch", reason="training needs the extra cxr[train]")
    from datasets import Dataset, Features, Image, List, Value  # noqa: PLC0415

    from cxr.trainer.models.families import shown_size  # noqa: PLC0415
    from cxr.trainer.train.pictures import decoded  # noqa: PLC0415
    from tests.pictures import processor_of_size  # noqa: PLC0415

    path = tmp_path / "image"
    path.write_bytes(data)
    processor = processor_of_size(28 * 28, 112 * 112)
    features = Features({"images": List(Image(decode=False)), "sample_id": Value("string")})
    rows = {
        "images": [[{"bytes": None, "path": str(path)}], [{"bytes": data, "path": "image"}]],
        "sample_id": ["a", "b"],
    }
    trained = decoded(Dataset.from_dict(rows, features=features), processor, None)
    predicted = np.asarray(open_picture(str(path), shown_size(processor)))
    for row in trained:
        (image,) = row["images"]
        assert np.asarray(image).tobytes() == predicted.tobytes()
        assert not is_constant(image)
    assert predicted.shape[0] * predicted.shape[1] <= 112 * 112


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
def test_what_an_export_embeds_is_shown_alike_by_any_reader(data: bytes) -> None:
    embedded = Image.open(io.BytesIO(plain_bytes(data))).convert("RGB")
    assert embedded.tobytes() == open_picture(data).tobytes()
    if not any(data is KINDS[kind] for kind in ("grey", "colour", "JPEG", "palette")):
        return
    assert plain_bytes(data) is data


def test_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    assert shown(KINDS["grey of 16 bits"]).mean() == pytest.approx(127, abs=1)
    assert np.abs(shown(KINDS["deep DICOM"]).astype(int) - shown(KINDS["grey of 16 bits"])).max() <= 1


def test_what_is_clear_is_black() -> None:
    for kind in ("grey with alpha", "colour with alpha"):
        array = shown(KINDS[kind])
        assert not array[:, :30].any()
        assert array[:, 30:, 0].tolist() == RAMP[:, 30:].tolist()
    assert set(np.unique(shown(KINDS["one bit"]))) == {0, 255}


def test_an_image_is_shown_upright() -> None:
    turned = open_picture(KINDS["turned JPEG"])
    assert turned.size == (40, 60)
    assert np.array_equal(np.asarray(turned), np.rot90(shown(KINDS["JPEG"]), -1))
    assert open_picture(KINDS["turned JPEG"], Within(30 * 20)).size == (20, 30)


def test_of_an_animation_the_first_frame_is_taken_or_the_file_refused() -> None:
    assert np.array_equal(shown(KINDS["animated PNG"]), shown(KINDS["grey"]))
    for kind in ("GIF", "WEBP", "TIFF"):
        with pytest.raises(BadPicture, match="an embedded image is neither PNG, JPEG nor DICOM"):
            open_picture(animated(kind))
    frames = np.stack([RAMP, 255 - RAMP])
    assert np.array_equal(shown(dicom_of(frames)), shown(KINDS["DICOM"]))


def test_dicom_is_shown_as_its_header_says() -> None:
    plain, inverted = shown(KINDS["DICOM"])[..., 0], shown(KINDS["inverted DICOM"])[..., 0]
    assert np.array_equal(plain, RAMP)
    assert np.array_equal(inverted, 255 - RAMP)
    windowed = shown(KINDS["windowed DICOM"])[..., 0]
    assert not windowed[DEEP <= 2499].any()
    assert (windowed[DEEP >= 3500] == 255).all()
    middle = np.abs(DEEP.astype(int) - 3000) <= 2
    assert windowed[middle].mean() == pytest.approx(127, abs=3)
    # The window speaks of rescaled values: 2 x - 1000 turns 3000 into 5000.
    rescaled = dicom_of(DEEP, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=5000, WindowWidth=2000)
    assert np.abs(shown(rescaled)[..., 0].astype(int) - windowed).max() <= 1
    useless = dicom_of(DEEP, WindowCenter=3000, WindowWidth=0)
    assert np.array_equal(shown(useless), shown(KINDS["deep DICOM"]))


def test_a_lookup_table_of_a_dicom_is_used() -> None:
    table = Dataset()
    table.LUTDescriptor = [256, 0, 16]
    table.LUTData = (np.arange(255, -1, -1, dtype=np.uint16) * 257).tobytes()
    table["LUTData"].VR = "OW"
    assert np.array_equal(shown(dicom_of(RAMP, VOILUTSequence=[table]))[..., 0], 255 - RAMP)


def test_a_colour_dicom_keeps_its_colours() -> None:
    made = dicom_of(COLOUR, PhotometricInterpretation="RGB", SamplesPerPixel=3, PlanarConfiguration=0)
    assert np.array_equal(shown(made), COLOUR)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[: len(data) // 2], RejectReason.IMAGE_TRUNCATED),
        (lambda data: b"a report", RejectReason.IMAGE_UNREADABLE),
    ],
)
@pytest.mark.parametrize("kind", ["grey", "JPEG", "grey of 16 bits"])
def test_a_file_that_cannot_be_shown_is_named(
    kind: str, spoil: Callable[[bytes], bytes], reason: RejectReason, tmp_path: Path
) -> None:
    path = tmp_path / "hers.png"
    path.write_bytes(spoil(KINDS[kind]))
    with pytest.raises(BadPicture, match=r"hers\.png is ") as bad:
        open_picture(str(path), Within(100))
    assert bad.value.reason is reason
    with pytest.raises(BadPicture, match=r"there is no .*gone\.png"):
        open_picture(str(tmp_path / "gone.png"))


def test_an_image_of_one_colour_is_known() -> None:
    for data in (file_of(Image.new("L", (30, 20), 7)), dicom_of(np.full((20, 30), 9, np.uint16)), dicom()):
        assert is_constant(open_picture(data))


def test_a_bound_changes_little_of_what_is_seen() -> None:
    """A JPEG is halved by libjpeg before it is scaled: nearly what scaling alone makes of it."""
    for kind in ("large JPEG", "large PNG"):
        bounded = np.asarray(open_picture(KINDS[kind], Within(120 * 80))).astype(int)
        scaled = np.asarray(open_picture(KINDS[kind]).resize((120, 80), Image.Resampling.BICUBIC))
        assert bounded.shape == scaled.shape
        assert np.abs(bounded - scaled).mean() < 1
