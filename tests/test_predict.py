"""`cxr predict` with a local checkpoint: a tiny random model of the real architecture, real files, the real command."""

import itertools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="a local checkpoint needs the extra cxr[train]")

from cxr.miner.images.pictures import open_picture  # noqa: E402
from cxr.trainer.models.families import load_model, load_processor  # noqa: E402
from cxr.trainer.predict import local  # noqa: E402
from cxr.trainer.predict.local import LocalModel, plan_batches  # noqa: E402
from cxr.trainer.predict.naming import model_name, weights_hash  # noqa: E402
from cxr.trainer.predict.samples import SampleSource, read_samples, requests_of  # noqa: E402
from cxr.trainer.predict.settings import PredictSettings  # noqa: E402
from cxr.trainer.predict.speed import Speed  # noqa: E402
from tests.benchmarks_world import run_cxr  # noqa: E402
from tests.prediction_world import (  # noqa: E402
    SHORT,
    World,
    header,
    keys,
    lines,
    make_model,
    make_world,
    predict,
    stored,
    texts,
    write_picture,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = make_world(tmp_path_factory.mktemp("predict"))
    make_model(made.folder / "tiny")
    return made


@pytest.fixture(scope="module")
def whole(world: World) -> Path:
    """A finished run over everything."""
    done = predict(world, "whole.jsonl", "--batch", "5", "--name", "whole")
    assert done.returncode == 0, done.stderr
    assert "samples/s" in done.stderr
    assert "of the time" in done.stderr
    # A model that says the same whatever it is asked would pass every test below.
    assert len(set(texts(world.folder / "whole.jsonl").values())) > 5
    return world.folder / "whole.jsonl"


# --- what is asked, and what comes back ---------------------------------------------------------------------------


def test_every_sample_has_a_line_in_the_benchmarks_order(world: World, whole: Path) -> None:
    samples = world.samples()
    assert list(keys(whole)) == [(sample, row["mode"]) for sample, row in samples.items()]
    assert {len(row["images"]) for row in samples.values()} == {0, 1, 2}
    manifest = json.loads((world.bench / "manifest.json").read_text())
    for line in lines(whole):
        assert line["benchmark"] == manifest["fingerprint"]
        assert line["error"] is None
        assert line["tokens"] <= 12
        assert line["finish"] == ("length" if line["tokens"] == 12 and line["finish"] != "stop" else "stop")


def test_the_store_has_the_same_predictions(world: World, whole: Path) -> None:
    assert stored(world.folder, "whole") == sorted((*key, text, None) for key, text in texts(whole).items())


@pytest.mark.parametrize("batch", ["1", "24"])
def test_a_samples_output_does_not_depend_on_its_batch(world: World, whole: Path, batch: str) -> None:
    assert predict(world, f"batch{batch}.jsonl", "--batch", batch, "--name", "whole").returncode == 0
    assert (world.folder / f"batch{batch}.jsonl").read_bytes() == whole.read_bytes()


def test_the_model_sees_what_it_was_trained_on(world: World, whole: Path) -> None:
    """Images, the paper's words and the stock processor: the outputs are those of transformers used by hand."""
    model, processor = load_model(str(world.folder / "tiny")).eval(), load_processor(str(world.folder / "tiny"))
    asks = {
        "reasoning": "Please think step by step, and enclose the answer within <answer></answer> and the reasoning "
        "processes within <think></think>.",
        "answer_only": "Please enclose the answer within <answer></answer>",
    }
    by_images = {len(row["images"]): row for row in world.samples().values()}
    for row in [*by_images.values(), next(iter(world.samples().values()))]:
        pictures = [open_picture(str(world.folder / name)) for name in row["images"]]
        user = [
            *({"type": "image"} for _ in pictures),
            {"type": "text", "text": f"{row['question']} {asks[row['mode']]}"},
        ]
        messages = [{"role": "system", "content": "You are a helpful AI assistant."}, {"role": "user", "content": user}]
        text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        inputs = processor(text=[text], images=pictures or None, return_tensors="pt")
        with torch.inference_mode():
            written = model.generate(**inputs, max_new_tokens=12, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        by_hand = processor.tokenizer.decode(written, skip_special_tokens=True)
        assert texts(whole)[row["sample_id"], row["mode"]] == by_hand


def test_an_images_content_and_order_reach_the_model(world: World) -> None:
    settings = PredictSettings(image_roots={"*": str(world.folder)}, max_completion_tokens=4)
    model = LocalModel(str(world.folder / "tiny"), settings)
    samples = read_samples(SampleSource.open(world.bench), settings)
    pair = next(sample for sample in samples if len(sample.images) == 2)
    (one,), (turned,) = (
        requests_of([sample], settings) for sample in (pair, type(pair)(**{**vars(pair), "images": pair.images[::-1]}))
    )
    first, second = (model._inputs([model._prepared(request)]) for request in (one, turned))  # type: ignore[list-item]
    half = first["pixel_values"].shape[0] // 2
    assert torch.equal(first["pixel_values"][:half], second["pixel_values"][half:])
    assert not torch.equal(first["pixel_values"], second["pixel_values"])


def test_both_asks_every_sample_with_reasoning_and_without(world: World, whole: Path) -> None:
    assert predict(world, "both.jsonl", "--mode", "both").returncode == 0
    both = texts(world.folder / "both.jsonl")
    assert set(both) == {(sample, mode) for sample in world.samples() for mode in ("reasoning", "answer_only")}
    assert texts(whole).items() <= both.items()
    assert any(both[sample, "reasoning"] != both[sample, "answer_only"] for sample in world.samples())


def test_tasks_samples_split_and_limit_choose(world: World) -> None:
    chosen = ("--tasks", "binary", "--samples", "answer_only", "--mode", "reasoning")
    assert predict(world, "binary.jsonl", *chosen).returncode == 0
    wanted = [key for key, row in world.samples().items() if row["task"] == "binary" and row["mode"] == "answer_only"]
    assert list(keys(world.folder / "binary.jsonl")) == [(sample, "reasoning") for sample in wanted]
    assert predict(world, "few.jsonl", "--limit", "6").returncode == 0
    assert [mode for _, mode in keys(world.folder / "few.jsonl")] == ["answer_only"] * 4 + ["reasoning"] * 2
    assert predict(world, "train.jsonl", "--split", "train").returncode == 0
    assert [sample for sample, _ in keys(world.folder / "train.jsonl")] == list(world.samples("train"))


def test_a_temperature_draws_under_the_seed_whatever_the_batch(world: World, whole: Path) -> None:
    def drawn(seed: int, batch: int, temperature: float = 1.0) -> list[str]:
        settings = PredictSettings(
            image_roots={"*": str(world.folder)},
            max_completion_tokens=8,
            temperature=temperature,
            sampling_seed=seed,
            batch=batch,
        )
        samples = read_samples(SampleSource.open(world.bench), settings)[:10]
        batches = LocalModel(str(world.folder / "tiny"), settings).predict(requests_of(samples, settings))
        made = [one for batch in batches for one in batch]
        return [str(one.text) for one in sorted(made, key=lambda one: one.sample_id)]

    assert drawn(0, 1) == drawn(0, 7)
    assert drawn(0, 7) != drawn(1, 7)
    assert drawn(0, 7, 1e-4) == drawn(0, 7, 0)


def test_drawing_follows_the_softmax() -> None:
    """Chi-squared by hand: 4,000 rows draw from known odds."""
    odds = torch.tensor([0.5, 0.3, 0.15, 0.05])
    requests = [type("R", (), {"key": (str(number), "reasoning")})() for number in range(4000)]
    noisy = local.Draw(2.0, 0, requests, torch.device("cpu"))(None, (2.0 * odds.log()).expand(4000, 4))
    counts = torch.bincount(noisy.argmax(1), minlength=4)
    assert float(((counts - 4000 * odds) ** 2 / (4000 * odds)).sum()) < 16.3  # 3 degrees of freedom, p = 0.001


def test_an_export_gives_the_predictions_of_its_benchmark(world: World, whole: Path) -> None:
    for form, pixels in (("sft", "embed"), ("grpo", "paths")):
        made = run_cxr(world.folder, "export", form, "bench", "-o", f"{form}-{pixels}", "--pixels", pixels)
        assert made.returncode == 0, made.stderr
        output = f"{form}.jsonl"
        done = run_cxr(
            world.folder, "predict", f"{form}-{pixels}", "--model", "tiny", "-o", output, *SHORT, "--name", "whole"
        )
        assert done.returncode == 0, done.stderr
        assert "cxr import predictions" in done.stderr
        assert texts(world.folder / output) == texts(whole)


# --- speed --------------------------------------------------------------------------------------------------------


def test_images_are_prepared_while_the_model_writes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[object] = []
    ahead: list[int] = []
    shown = total = 0

    def spied(picture: Any, fit: Any, work: Callable[..., Any] = open_picture) -> Any:
        opened = work(picture, fit)
        decoded.append(picture)
        return opened

    def generate(self: LocalModel, inputs: Any, *more: Any, work: Callable[..., Any] = LocalModel._generate) -> Any:
        nonlocal shown
        shown += len(inputs.get("image_grid_thw", ()))
        until = time.monotonic() + 60  # what is prepared meanwhile comes soon; without a thread for it, never
        while self.settings.prefetch and len(decoded) == shown < total and time.monotonic() < until:
            time.sleep(0.002)
        ahead.append(len(decoded) - shown)
        return work(self, inputs, *more)

    monkeypatch.setattr(local, "open_picture", spied)
    monkeypatch.setattr(LocalModel, "_generate", generate)
    for prefetch in (0, 2):
        decoded.clear()
        ahead.clear()
        shown = 0
        settings = PredictSettings(
            image_roots={"*": str(world.folder)}, max_completion_tokens=8, batch=3, prefetch=prefetch
        )
        samples = read_samples(SampleSource.open(world.bench), settings)
        total = sum(len(sample.images) for sample in samples)
        speed = Speed()
        model = LocalModel(str(world.folder / "tiny"), settings, speed=speed)
        assert sum(map(len, model.predict(requests_of(samples, settings)))) == len(samples)
        assert 0 < speed.busy_share <= 1
        assert speed.numbers()["tokens"] == speed.tokens > 0
        if prefetch:
            assert ahead[0] > 0
            assert max(ahead) <= 3 * 2 * (prefetch + 1)  # bounded: no more batches of three pairs than that
        else:
            assert set(ahead) == {0}


def test_batches_hold_what_is_alike_and_begin_with_the_longest(world: World) -> None:
    settings = PredictSettings(mode="both")
    requests = requests_of(read_samples(SampleSource.open(world.bench), settings), settings)
    planned = plan_batches(requests, 4)
    assert sorted(request.key for batch in planned for request in batch) == sorted(request.key for request in requests)
    shapes = [(str(request.mode), len(request.sample.images)) for batch in planned for request in batch]
    assert shapes == sorted(shapes, reverse=True)
    assert len(list(itertools.groupby(shapes))) == len(set(shapes))


# --- names and pictures -------------------------------------------------------------------------------------------


def test_a_models_name_tells_its_run(tmp_path: Path) -> None:
    for place, name in (("run/final", "run"), ("run/checkpoint-20", "run/checkpoint-20"), ("radiology", "radiology")):
        (tmp_path / place).mkdir(parents=True)
        assert model_name(str(tmp_path / place)) == name
    assert model_name("Qwen/Qwen2-VL-7B-Instruct") == "Qwen/Qwen2-VL-7B-Instruct"


def test_one_changed_weight_in_a_large_file_changes_the_hash(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    content = bytearray(os.urandom(3_000_000))
    weights.write_bytes(content)
    first = weights_hash(str(tmp_path))
    assert weights_hash(str(tmp_path)) == first
    content[1_500_000] ^= 1
    weights.write_bytes(content)
    assert weights_hash(str(tmp_path)) != first


def test_default_names_stand_beside_the_store(world: World) -> None:
    done = run_cxr(world.folder, "predict", "bench", "--model", "tiny", "--limit", "2", *SHORT, "--name", "org/tiny")
    assert done.returncode == 0, done.stderr
    told = header(world.folder / "bench.org-tiny.own.jsonl")
    assert told["exit"] == "done"
    assert told["lines"] == 2
    assert told["versions"]["transformers"]
    assert told["speed"]["tokens_per_s"] > 0


def test_pictures_of_every_kind_become_eight_bits(tmp_path: Path) -> None:
    import numpy as np  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    from tests.pictures import dicom, picture  # noqa: PLC0415

    deep = np.linspace(0, 65535, 600, dtype=np.uint16).reshape(20, 30)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    shown = open_picture(str(tmp_path / "deep.png"))
    assert shown.mode == "RGB"
    assert shown.getpixel((0, 0)) == (0, 0, 0)
    assert shown.getpixel((29, 19)) == (255, 255, 255)
    assert shown.getpixel((15, 10)) == pytest.approx((132, 132, 132), abs=2)
    for data in (picture("PNG"), picture("JPEG")):
        assert open_picture(data).size == (70, 40)
    assert open_picture(dicom()).size == (70, 40)
    write_picture(tmp_path / "a.png", 1)
    assert open_picture(str(tmp_path / "a.png")).size == (60, 44)
