"""A benchmark with real image files, of studies with no image, one and two, and a tiny random model to ask."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from PIL import Image

from tests.benchmarks_world import make_store, rows, run_cxr

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
