"""Everything that the preset `tiny` needs, in one folder: phantoms, store, benchmark, exports and a random model."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from cxr.miner.benchmark.settings import Mode, Targets
from cxr.miner.kit.errors import InputError
from cxr.schemas.vocabulary import Task
from cxr.trainer.phantom.corpus import write_phantom
from cxr.trainer.phantom.pipeline import PhantomExports, make_exports

TARGETS: Targets = {
    "train": {
        Mode.ANSWER_ONLY: {Task.BINARY: 2000, Task.SINGLE: 2500},
        Mode.REASONING: {Task.BINARY: 800, Task.SINGLE: 800},
    },
    "test": {
        Mode.ANSWER_ONLY: {Task.BINARY: 300, Task.SINGLE: 300},
        Mode.REASONING: {Task.BINARY: 200, Task.SINGLE: 200},
    },
}
"""Samples of the tiny benchmark; what a smaller corpus does not give is left out."""

STUDIES = 3000
FAMILY = "qwen3_vl"
"""Of the tiny model: its vision tower learns absolute positions, and so left from right, soonest."""

_UNFINISHED = "unfinished"


@dataclass(frozen=True)
class PhantomWorld:
    """The parts of a finished world."""

    folder: Path
    exports: PhantomExports
    model: Path


def make_world(
    folder: Path,
    *,
    studies: int = STUDIES,
    seed: int = 0,
    family: str = FAMILY,
    pixels: int = 96,
    targets: Targets | None = None,
) -> PhantomWorld:
    """Make a world: `corpus/`, `phantom.duckdb`, `benchmark/`, `sft/`, `grpo/` and `model/` in `folder`.

    A finished world is left as it is, one that was interrupted is made anew; `seed` names the phantoms, the questions
    and the model's weights. Raises InputError where the folder holds something else.
    """
    world = PhantomWorld(folder, PhantomExports.inside(folder), folder / "model")
    marker = folder / _UNFINISHED
    if marker.is_file():
        shutil.rmtree(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if world.exports.store.is_file() and (world.model / "config.json").is_file():
            return world
        raise InputError(f"{folder} exists and is no world of phantoms; give a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    marker.touch()
    corpus = write_phantom(folder / "corpus", studies, seed, size=pixels)
    make_exports(corpus, folder, TARGETS if targets is None else targets, seed=seed)
    from cxr.trainer.models.tiny import TinySize, build_tiny  # noqa: PLC0415 - phantoms alone need no torch

    build_tiny(world.model, family, texts=_texts(world.exports.sft), seed=seed, size=TinySize(pixels=pixels))
    marker.unlink()
    return world


def _texts(export: Path) -> Iterator[str]:
    """Return all that a model will read and write in training."""
    for path in sorted((export / "data").glob("train-*.parquet")):
        for row in pq.read_table(path, columns=["prompt", "completion"]).to_pylist():
            yield from (turn["content"] for turn in (*row["prompt"], *row["completion"]))
