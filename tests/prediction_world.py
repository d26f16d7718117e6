"""A benchmark with real image files, of studies with no image, one and two, and a tiny random model to ask."""

import json
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from PIL import Image

from tests.benchmarks_world import make_store, rows, run_cxr

SHORT = ("--max-new-tokens", "12")
TARGETS = ("--target", "test.answer_only=16", "--target", "test.reasoning=8", "--target", "train.answer_only=8")


@dataclass(frozen=True)
class World:
    """Where everything lies; predictions go beside the store."""

    folder: Path

    @property
    def bench(self) -> Path:
        return self.folder / "bench"

    def samples(self, split: str = "test") -> dict[str, dict[str, Any]]:
        """Give a split's samples by their ids, in the benchmark's order."""
        frames = [pl.read_parquet(path) for path in sorted((self.bench / split).glob("*.parquet"))]
        return {row["sample_id"]: row for row in pl.concat(frames, how="diagonal").to_dicts()}


def make_world(folder: Path, *, licence: str = "public", studies: int = 48) -> World:
    """Write pictures, ingest them with their reports, and compile a benchmark."""
    corpus = rows(studies)
    for number, row in enumerate(corpus):
        row["image"] = ";".join(row["image"].split(";")[: (2, 1, 1, 0)[number // 8 % 4]])
        for name in filter(None, row["image"].split(";")):
            write_picture(folder / name, number + 1000 * name.endswith("_b.png"))
    make_store(folder, corpus, licence=licence)
    done = run_cxr(folder, "bench", "compile", "bench", "--only", "--images", "optional", *TARGETS)
    assert done.returncode == 0, done.stderr
    return World(folder)


def make_model(folder: Path, seed: int = 5) -> None:
    """Build a tiny random Qwen2-VL whose outputs differ from sample to sample; one thread suits its size best."""
    import torch  # noqa: PLC0415 - a server is asked without it

    from cxr.trainer.models.tiny import TinySize, build_tiny  # noqa: PLC0415

    torch.set_num_threads(1)
    size = TinySize(hidden=32, layers=2, heads=2, vision_hidden=16, vision_layers=1, vision_heads=2, pixels=56)
    build_tiny(folder, seed=seed, size=size)


def predict(
    world: World, output: str | Path, *more: str | Path, model: str | Path = "tiny"
) -> "subprocess.CompletedProcess[str]":
    """Run `cxr predict` with a local model and short outputs."""
    return run_cxr(world.folder, "predict", "bench", "--model", model, "-o", output, *SHORT, *more)


def texts(path: Path) -> dict[tuple[str, str], str]:
    """Give the outputs in a file by sample and mode."""
    return {(line["sample_id"], line["mode"]): line["text"] for line in lines(path)}


def write_picture(path: Path, seed: int, size: tuple[int, int] = (60, 44)) -> None:
    """Write noise; every picture is another one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.frombytes("L", size, random.Random(seed).randbytes(size[0] * size[1])).save(path)


def lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of predictions."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def header(path: Path) -> dict[str, Any]:
    """Read the header beside a file of predictions."""
    read: dict[str, Any] = json.loads(path.with_suffix(".run.json").read_text(encoding="utf-8"))
    return read


def stored(folder: Path, model: str) -> list[tuple[Any, ...]]:
    """Give what the store has of a model: sample, mode, text and error."""
    with duckdb.connect(str(folder / "cxr.duckdb"), read_only=True) as connection:
        return connection.execute(
            "select sample_id, mode, text, error from predictions where model = ? order by all", [model]
        ).fetchall()


def keys(path: Path) -> Iterator[tuple[str, str]]:
    """Give sample and mode of every line."""
    return ((line["sample_id"], line["mode"]) for line in lines(path))
