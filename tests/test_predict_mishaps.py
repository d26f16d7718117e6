"""`cxr predict` with a local checkpoint, when things go wrong: kills, other runs' files, bad images, little memory."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="a local checkpoint needs the extra cxr[train]")

from cxr.trainer.predict import local  # noqa: E402
from cxr.trainer.predict.naming import weights_hash  # noqa: E402
from tests.benchmarks_world import run_cxr  # noqa: E402
from tests.prediction_world import SHORT, World, header, lines, make_model, make_world, predict, stored, texts  # noqa: E402


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = make_world(tmp_path_factory.mktemp("mishaps"))
    make_model(made.folder / "tiny")
    return made


@pytest.fixture(scope="module")
def whole(world: World) -> Path:
    """A finished run over everything."""
    done = predict(world, "whole.jsonl", "--batch", "5", "--name", "whole")
    assert done.returncode == 0, done.stderr
    return world.folder / "whole.jsonl"


# --- killed, resumed, refused -------------------------------------------------------------------------------------


STANDS_STILL = """
import time
from cxr.cli import app
from cxr.trainer.predict.local import LocalModel

work, batches = LocalModel._generate, []

def generate(*given):
    batches.append(given)
    time.sleep(600 if len(batches) == 3 else 0)
    return work(*given)

LocalModel._generate = generate
app()
"""
"""`cxr`, in whose third batch nothing happens any more, so that no kill comes too late."""


def test_a_killed_run_goes_on_where_it_was(world: World) -> None:
    words = ("predict", "bench", "--model", "tiny", "-o", "killed.jsonl", *SHORT, "--batch", "2", "--name", "killed")
    killed = world.folder / "killed.jsonl"
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", STANDS_STILL, *words],
        cwd=world.folder,
        env=one_thread,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None and not (killed.is_file() and killed.read_bytes().count(b"\n") >= 4):
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    there = killed.read_bytes().count(b"\n")
    assert there == 4 < len(world.samples())
    with killed.open("ab") as file:
        file.write(b'{"sample_id": "half a li')
    assert header(killed)["exit"] == "running"
    again = run_cxr(world.folder, *words)
    assert again.returncode == 0, again.stderr
    assert f"{there} were there already" in again.stderr
    unbroken = predict(world, "unbroken.jsonl", "--batch", "2", "--name", "killed")
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
    make_model(other, seed=1)
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
    for more in ((), ("--replace",)):
        done = predict(world, "foreign.jsonl", *more)
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
