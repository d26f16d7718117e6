"""`cxr predict` with a local checkpoint: a tiny random model of the real architecture, real files, the real command."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="a local checkpoint needs the extra cxr[train]")

from tests.benchmarks_world import run_cxr  # noqa: E402
from tests.prediction_world import World, header, keys, lines, make_world, stored, write_picture  # noqa: E402
from trainer.families import load_model, load_processor  # noqa: E402
from trainer.prediction import local  # noqa: E402
from trainer.prediction.local import LocalModel, plan_batches, predict_local  # noqa: E402
from trainer.prediction.naming import model_name, weights_hash  # noqa: E402
from trainer.prediction.pictures import open_picture  # noqa: E402
from trainer.prediction.samples import Source, read_samples, requests_of  # noqa: E402
from trainer.prediction.settings import PredictSettings  # noqa: E402
from trainer.prediction.speed import Speed  # noqa: E402
from trainer.tiny import TinySize, build_tiny  # noqa: E402

SMALL = TinySize(hidden=32, layers=2, heads=2, vision_hidden=16, vision_layers=1, vision_heads=2, pixels=56)
SHORT = ("--max-new-tokens", "12")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    torch.set_num_threads(1)
    made = make_world(tmp_path_factory.mktemp("predict"))
    build_tiny(made.folder / "tiny", size=SMALL)
    return made


def predict(world: World, output: str | Path, *more: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
    model = options.get("model", "tiny")
    return run_cxr(world.folder, "predict", "bench", "--model", model, "-o", output, *SHORT, *more)


@pytest.fixture(scope="module")
def whole(world: World) -> Path:
    """A finished run over everything."""
    done = predict(world, "whole.jsonl", "--batch", "5", "--name", "whole")
    assert done.returncode == 0, done.stderr
    assert "samples/s" in done.stderr
    assert "of the time" in done.stderr
    return world.folder / "whole.jsonl"


def texts(path: Path) -> dict[tuple[str, str], str]:
    return {(line["sample_id"], line["mode"]): line["text"] for line in lines(path)}


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
    settings = PredictSettings(image_roots={"*": str(world.folder)}, max_new_tokens=4)
    model = LocalModel(str(world.folder / "tiny"), settings)
    samples = read_samples(Source.open(world.bench), settings)
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
            image_roots={"*": str(world.folder)}, max_new_tokens=8, temperature=temperature, seed=seed, batch=batch
        )
        samples = read_samples(Source.open(world.bench), settings)[:10]
        made = predict_local(str(world.folder / "tiny"), samples, settings)
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


# --- killed, resumed, refused -------------------------------------------------------------------------------------


def test_a_killed_run_goes_on_where_it_was(world: World) -> None:
    long = ("--max-new-tokens", "150", "--batch", "2", "--name", "killed")
    command: list[str | Path] = [
        Path(sys.executable).with_name("cxr"),
        "predict",
        "bench",
        "--model",
        "tiny",
        "-o",
        "killed.jsonl",
        *long,
    ]
    killed = world.folder / "killed.jsonl"
    with subprocess.Popen(command, cwd=world.folder, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 90
        while process.poll() is None and time.monotonic() < until:
            if killed.is_file() and killed.read_bytes().count(b"\n") >= 4:
                break
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    there = killed.read_bytes().count(b"\n")
    assert 4 <= there < len(world.samples())
    with killed.open("ab") as file:
        file.write(b'{"sample_id": "half a li')
    assert header(killed)["exit"] == "running"
    again = run_cxr(world.folder, "predict", "bench", "--model", "tiny", "-o", "killed.jsonl", *long)
    assert again.returncode == 0, again.stderr
    assert f"{there} were there already" in again.stderr
    unbroken = run_cxr(world.folder, "predict", "bench", "--model", "tiny", "-o", "unbroken.jsonl", *long)
    assert unbroken.returncode == 0
    assert killed.read_bytes() == (world.folder / "unbroken.jsonl").read_bytes()
    assert not list(world.folder.glob(".*.lock"))


def test_a_finished_run_does_nothing_more(world: World, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("the model was loaded")

    before = whole.read_bytes()
    monkeypatch.setattr(local, "LocalModel", loaded)
    done = predict(world, "whole.jsonl", "--batch", "3", "--name", "whole")
    assert done.returncode == 0, done.stderr
    assert whole.read_bytes() == before


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("--max-new-tokens", "13"), ("max_new_tokens is 12", "13")),
        (("--mode", "reasoning"), ("mode is own", "reasoning")),
        (("--temperature", "1"), ("temperature is 0.0", "1.0")),
        (("--name", "other"), ("model is whole", "other")),
    ],
)
def test_a_file_of_another_run_is_refused_with_both_named(
    world: World, whole: Path, more: tuple[str, ...], named: tuple[str, str]
) -> None:
    before = whole.read_bytes()
    done = predict(world, "whole.jsonl", "--name", "whole", *more)
    assert done.returncode == 1
    assert all(word in done.stderr for word in named), done.stderr
    assert "Traceback" not in done.stderr
    assert whole.read_bytes() == before


def test_another_models_weights_are_not_mixed_in_and_replace_starts_anew(world: World, tmp_path: Path) -> None:
    assert predict(world, "mixed.jsonl", "--limit", "3").returncode == 0
    other = tmp_path / "tiny"
    build_tiny(other, seed=1, size=SMALL)
    done = predict(world, "mixed.jsonl", "--limit", "3", model=other)
    assert done.returncode == 1
    assert f"weights is {weights_hash(str(world.folder / 'tiny'))}" in done.stderr
    before = texts(world.folder / "mixed.jsonl")
    done = predict(world, "mixed.jsonl", "--limit", "3", "--replace", model=other)
    assert done.returncode == 0, done.stderr
    assert texts(world.folder / "mixed.jsonl") != before
    assert [row[2] for row in stored(world.folder, "tiny")] == [
        text for _, text in sorted(texts(world.folder / "mixed.jsonl").items())
    ]


def test_a_foreign_file_and_a_second_process_are_refused(world: World) -> None:
    foreign = world.folder / "foreign.jsonl"
    foreign.write_text("mine\n")
    done = predict(world, "foreign.jsonl")
    assert done.returncode == 1
    assert "not written by `cxr predict`" in done.stderr
    assert foreign.read_text() == "mine\n"
    hold = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print('held', flush=True); input()"
    lock = world.folder / ".busy.jsonl.lock"
    with subprocess.Popen(
        [sys.executable, "-c", hold, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        done = predict(world, "busy.jsonl")
        holder.communicate("\n")
    assert done.returncode == 1
    assert "another process writes" in done.stderr


# --- bad input ----------------------------------------------------------------------------------------------------


def test_samples_with_bad_images_are_named_and_tried_again(world: World, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(world.folder / "images", root / "images")
    samples = world.samples()
    named = list(dict.fromkeys(name for row in samples.values() for name in row["images"]))
    absent, cut, damaged = named[0], named[1], named[2]
    (root / absent).unlink()
    (root / cut).write_bytes((root / cut).read_bytes()[:200])
    whole = bytearray((root / damaged).read_bytes())
    whole[60:400] = bytes(340)  # the structure stays, the pixels cannot be decoded
    (root / damaged).write_bytes(whole)
    done = predict(world, "holes.jsonl", "--image-root", root, "--name", "holes")
    assert done.returncode == 4, done.stderr
    made = {line["sample_id"]: line for line in lines(world.folder / "holes.jsonl")}
    assert set(made) == set(samples)
    for sample, row in samples.items():
        bad = [name for name in row["images"] if name in {absent, cut, damaged}]
        assert (made[sample]["text"] is None) == bool(bad)
        if bad:
            reason, _, where = made[sample]["error"].partition(": ")
            assert reason == {absent: "image_absent", cut: "image_truncated", damaged: "image_truncated"}[bad[0]]
            assert bad[0] in where
    assert "image_absent" in done.stderr
    assert any(error for *_, error in stored(world.folder, "holes"))
    for name in (absent, cut, damaged):
        shutil.copy(world.folder / name, root / name)
    again = predict(world, "holes.jsonl", "--image-root", root, "--name", "holes")
    assert again.returncode == 0, again.stderr
    assert [row[3] for row in stored(world.folder, "holes")] == [None] * len(samples)


def test_no_image_at_all_says_where_to_look(world: World, tmp_path: Path) -> None:
    done = predict(world, "none.jsonl", "--image-root", tmp_path)
    assert done.returncode == 1
    assert "image_absent" in done.stderr
    assert "--image-root" in done.stderr


def test_what_is_no_model_of_ours_is_said_in_a_sentence(world: World, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    text = tmp_path / "text"
    text.mkdir()
    (text / "config.json").write_text('{"model_type": "gpt2"}')
    for folder, said in ((tmp_path / "empty", "no config.json"), (adapter, "LoRA adapter"), (text, "gpt2 model")):
        done = predict(world, f"{folder.name}.jsonl", model=folder)
        assert done.returncode == 1
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--split", "validate"), 1, "has no samples of split validate"),
        (("--tasks", "temporal"), 1, "it has"),
        (("--device", "cuda:7"), 2, "is not here"),
        (("--mode", "aloud"), 2, "mode is 'aloud'"),
        (("--batch", "0"), 2, "batch is '0'"),
        (("--estimate",), 2, "is for a server"),
        (("-o", "nowhere/x.jsonl"), 1, "nowhere"),
    ],
)
def test_wrong_usage_is_said_in_a_sentence(world: World, more: tuple[str, ...], code: int, said: str) -> None:
    done = predict(world, "wrong.jsonl", *more)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_does_not_fit_into_memory_is_halved(world: World, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_memory_for(3, monkeypatch)
    done = predict(world, "halved.jsonl", "--batch", "9", "--name", "whole")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("do not fit into memory") == 2
    assert (world.folder / "halved.jsonl").read_bytes() == whole.read_bytes()


def test_one_sample_that_does_not_fit_ends_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_memory_for(0, monkeypatch)
    done = predict(world, "toolarge.jsonl", "--batch", "2")
    assert done.returncode == 1
    assert "lower --max-pixels or --max-new-tokens" in done.stderr


def _with_memory_for(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Qwen2VLForConditionalGeneration  # noqa: PLC0415

    fits = Qwen2VLForConditionalGeneration.generate

    def generate(self: Any, **inputs: Any) -> Any:
        if inputs["input_ids"].shape[0] > most:
            raise torch.OutOfMemoryError("no")
        return fits(self, **inputs)

    monkeypatch.setattr(Qwen2VLForConditionalGeneration, "generate", generate)


# --- speed --------------------------------------------------------------------------------------------------------


def test_images_are_prepared_while_the_model_writes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[float] = []
    written: list[tuple[float, float]] = []

    def spied(picture: Any, work: Callable[..., Any] = open_picture) -> Any:
        time.sleep(0.01)  # a slow disk
        decoded.append(time.perf_counter())
        return work(picture)

    def generate(self: LocalModel, *given: Any, work: Callable[..., Any] = LocalModel._generate) -> Any:
        began = time.perf_counter()
        try:
            return work(self, *given)
        finally:
            written.append((began, time.perf_counter()))

    monkeypatch.setattr(local, "open_picture", spied)
    monkeypatch.setattr(LocalModel, "_generate", generate)

    def overlapping(prefetch: int) -> tuple[int, Speed]:
        decoded.clear()
        written.clear()
        settings = PredictSettings(
            image_roots={"*": str(world.folder)}, max_new_tokens=12, batch=3, prefetch=prefetch, workers=2
        )
        samples = read_samples(Source.open(world.bench), settings)
        speed = Speed()
        assert len(list(predict_local(str(world.folder / "tiny"), samples, settings, speed=speed))) == len(samples)
        return sum(began < at < ended for at in decoded for began, ended in written), speed

    alone, waiting = overlapping(0)
    ahead, busy = overlapping(2)
    assert alone == 0
    assert ahead > 10
    assert 0 < waiting.busy_share < busy.busy_share <= 1
    assert busy.numbers()["tokens"] == busy.tokens > 0


def test_batches_hold_what_is_alike_and_begin_with_the_longest(world: World) -> None:
    settings = PredictSettings(mode="both")
    requests = requests_of(read_samples(Source.open(world.bench), settings), settings)
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
