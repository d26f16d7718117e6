"""Images of a training: those in the rows are looked at as files are, odd ones left out, and a cache changes none."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra cxr[train]")

from PIL import Image  # noqa: E402

from cxr.miner.images.pictures import Within, open_picture  # noqa: E402
from cxr.trainer.train.image_cache import ImageCache  # noqa: E402
from cxr.trainer.train.run_record import read_log  # noqa: E402
from tests.training_world import ONE_STEP, World, make_world, remade  # noqa: E402


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


def encoded(image: Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


RAMP = Image.fromarray(np.arange(56 * 56, dtype=np.uint32).reshape(56, 56).astype(np.uint8))
CASES: dict[str, tuple[bytes, str | None]] = {
    "odd.png": (encoded(Image.linear_gradient("L").resize((2, 500))), "image_shape"),
    "blank.png": (encoded(Image.new("L", (56, 56), 9)), "image_constant"),
    "cut.png": (encoded(RAMP)[:100], "image_truncated"),
    "animated.gif": (encoded(RAMP, "GIF", save_all=True, append_images=[RAMP.rotate(90)]), "image_unreadable"),
    "words.png": (b"no image at all", "image_unreadable"),
    # What trains: the first picture of an animated PNG, four channels of ink, grey with transparency.
    "animated.png": (encoded(RAMP, "PNG", save_all=True, append_images=[RAMP.rotate(90)]), None),
    "ink.jpg": (encoded(RAMP.convert("CMYK"), "JPEG"), None),
    "thin.png": (encoded(RAMP.convert("LA")), None),
}


def with_cases(world: World, stage: str, target: Path, image: Callable[[str], dict[str, Any]]) -> Path:
    """Copy an export whose first training rows have the images of the cases."""

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        lists = rows["images"].to_list()
        for place, name in enumerate(CASES):
            lists[place] = [image(name)]
        return rows.with_columns(pl.Series("images", lists, dtype=rows["images"].dtype))

    return remade(getattr(world.exports, stage), target, change)


@pytest.mark.parametrize("embedded", [False, True], ids=["files", "embedded"])
@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_images_that_cannot_be_used_are_left_out_and_counted(
    world: World, tmp_path: Path, stage: str, embedded: bool
) -> None:
    for name, (data, _) in CASES.items():
        (tmp_path / name).write_bytes(data)

    def image(name: str) -> dict[str, Any]:
        return {"bytes": CASES[name][0] if embedded else None, "path": name if embedded else str(tmp_path / name)}

    spoilt = with_cases(world, stage, tmp_path / "data", image)
    wrong = {name: reason for name, (_, reason) in CASES.items() if reason is not None}
    planned = world.train(stage, tmp_path / "dry", "--data", spoilt, *ONE_STEP, "--dry-run")
    assert planned.exit_code == 0, planned.output
    told = " ".join(planned.output.replace("│", " ").split())
    assert "5 samples: 1 image_constant, 1 image_shape, 1 image_truncated, 2 image_unreadable" in told
    result = world.train(stage, tmp_path / "out", "--data", spoilt, *ONE_STEP, "--set", "max_rejects=0.2")
    assert result.exit_code == 4, result.output
    rejects = [json.loads(line) for line in (tmp_path / "out" / "rejects.jsonl").read_text().splitlines()]
    assert {Path(reject["path"]).name: reject["reason"] for reject in rejects} == wrong


def test_a_training_with_a_cache_of_images_has_the_losses_of_one_without(world: World, tmp_path: Path) -> None:
    steps, cache = ("--set", "steps=3", "--set", "learning_rate=3e-3"), tmp_path / "cache"
    runs = {"without": (), "filling": ("--set", f"image_cache={cache}"), "reading": ("--set", f"image_cache={cache}")}
    losses = {}
    for name, more in runs.items():
        result = world.train("sft", tmp_path / name, *steps, *more)
        assert result.exit_code == 0, result.output
        losses[name] = [line["loss"] for line in read_log(tmp_path / name / "log.jsonl")]
    assert losses["without"] == losses["filling"] == losses["reading"]
    kept = list(cache.rglob("*.png"))
    assert kept
    assert not [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".png"]


def test_a_cache_gives_the_pixels_that_the_decoder_gives(tmp_path: Path) -> None:
    cases = {
        "grey.png": encoded(Image.effect_noise((90, 70), 60)),
        "colour.jpg": encoded(Image.merge("RGB", [Image.effect_noise((90, 70), 60) for _ in range(3)]), "JPEG"),
        "deep.png": encoded(Image.fromarray(np.arange(90 * 70, dtype=np.uint16).reshape(70, 90) * 9)),
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        for fit in (Within(3000), Within(5000)):
            cache = ImageCache(tmp_path / "cache", fit)
            expected = open_picture(str(tmp_path / name), fit).tobytes()
            for picture in (str(tmp_path / name), data):
                assert [cache(picture).tobytes() for _ in range(2)] == [expected, expected]
    assert len(list((tmp_path / "cache").rglob("*.png"))) == 12


def test_a_cache_follows_its_files_and_mends_itself(tmp_path: Path) -> None:
    path, cache = tmp_path / "image.png", ImageCache(tmp_path / "cache", Within(3000))
    path.write_bytes(encoded(Image.effect_noise((90, 70), 60)))
    first = cache(str(path)).tobytes()
    path.write_bytes(encoded(Image.effect_noise((91, 71), 60)))
    second = cache(str(path)).tobytes()
    assert second == open_picture(str(path), Within(3000)).tobytes() != first
    for kept in (tmp_path / "cache").rglob("*.png"):
        kept.write_bytes(kept.read_bytes()[:50])
    assert cache(str(path)).tobytes() == second
    assert cache(str(path)).tobytes() == second
