"""A small benchmark with invented models' predictions, for the tests of import, evaluation and comparison."""

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks_world import make_store, read_samples, rows, run_cxr

Row = Mapping[str, Any]
TARGETS = ("--target", "test.answer_only=60", "--target", "test.reasoning=40")


def make_benchmark(folder: Path, studies: int = 96) -> Path:
    """Build a store and a benchmark `bench` of test samples in a folder; give the benchmark's folder."""
    make_store(folder, rows(studies))
    done = run_cxr(folder, "bench", "compile", "bench", "--only", *TARGETS)
    assert done.returncode == 0, done.stderr
    return folder / "bench"


def samples_of(benchmark: Path) -> list[dict[str, Any]]:
    """Give the samples of a benchmark, in the order of their ids."""
    return read_samples(benchmark).sort("sample_id").to_dicts()


def fingerprint_of(benchmark: Path) -> str:
    """Give the fingerprint of a benchmark's manifest."""
    return str(json.loads((benchmark / "manifest.json").read_text())["fingerprint"])


def completion(sample: Row, *, right: bool = True, think: str | None = None) -> str:
    """Write what a model would: its reasoning where it was asked for it, and a right or a wrong answer."""
    answer = sample["answer"] if right else _wrong(sample)
    if sample["mode"] == "answer_only":
        return f"<answer>{answer}</answer>"
    return f"<think>{sample['reasoning'] if think is None else think}</think><answer>{answer}</answer>"


def _wrong(sample: Row) -> str:
    if sample["task"] == "binary":
        return "No" if sample["answer"] == "Yes" else "Yes"
    others = [option["letter"] for option in sample["options"] or () if option["letter"] != sample["answer"]]
    return others[0] if others else "fracture and pneumothorax and edema"


def lines(
    benchmark: Path, samples: Iterable[Row], write: Callable[[Row], str] = completion, model: str = "oracle"
) -> list[dict[str, Any]]:
    """Give lines of a predictions file as `cxr predict` writes it."""
    mark = fingerprint_of(benchmark)
    return [
        {"sample_id": sample["sample_id"], "model": model, "mode": sample["mode"], "text": write(sample),
         "benchmark": mark, "error": None}
        for sample in samples
    ]  # fmt: skip


def write_jsonl(path: Path, made: Iterable[Row]) -> Path:
    """Write records as JSON Lines."""
    path.write_text("".join(json.dumps(line) + "\n" for line in made), encoding="utf-8")
    return path


def predict(
    folder: Path,
    write: Callable[[Any], str] = completion,
    model: str = "oracle",
    samples: Sequence[dict[str, Any]] | None = None,
    **changes: object,
) -> None:
    """Write what a model says about the samples of `bench`, all or some, and import it."""
    made = lines(folder / "bench", samples_of(folder / "bench") if samples is None else samples, write, model)
    write_jsonl(folder / f"{model}.jsonl", [line | changes for line in made])
    done = run_cxr(folder, "import", "predictions", f"{model}.jsonl", "--benchmark", "bench")
    assert done.returncode == 0, done.stderr


def evaluate(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run `cxr evaluate` on `bench`."""
    return run_cxr(folder, "evaluate", "bench", *options)
