"""A phantom corpus with its exports and a tiny random model, for tests that train a few steps."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
from typer.testing import CliRunner, Result

from cxr.cli import app
from cxr.miner.benchmark.settings import Mode, Targets
from cxr.trainer.models.tiny import TinySize, build_tiny
from cxr.trainer.phantom.corpus import write_phantom
from cxr.trainer.phantom.world import PhantomExports, make_exports

TARGETS: Targets = {
    "train": {Mode.ANSWER_ONLY: 60, Mode.REASONING: 30},
    "validate": {Mode.ANSWER_ONLY: 6, Mode.REASONING: 6},
    "test": {Mode.ANSWER_ONLY: 12, Mode.REASONING: 6},
}
SMALL = TinySize(hidden=32, layers=2, heads=2, vision_hidden=16, vision_layers=1, vision_heads=2, vocabulary=900)

# Eight prompts a step, few and short completions, no validation: a step takes a tenth of a second.
QUICK = (
    *("--set", "global_batch=8", "--set", "device_batch=4", "--set", "save_steps=2", "--set", "threads=1"),
    *("--set", "eval_steps=0"),
)
QUICK_GRPO = (
    *("--set", "global_batch=4", "--set", "group=2", "--set", "device_batch=4", "--set", "max_completion_length=12"),
    *("--set", "save_steps=2", "--set", "threads=1", "--set", "eval_steps=0"),
)
# The first step moves the weights already.
ONE_STEP = ("--set", "steps=1", "--set", "warmup=0", "--set", "learning_rate=1e-2")


def remade(export: Path, target: Path, change: Callable[[pl.DataFrame], pl.DataFrame], split: str = "train") -> Path:
    """Copy an export with the rows of a split changed."""
    shutil.copytree(export, target)
    for path in (target / "data").glob(f"{split}-*.parquet"):
        change(pl.read_parquet(path)).write_parquet(path)
    return target


@dataclass(frozen=True)
class World:
    """Where everything lies."""

    folder: Path
    exports: PhantomExports
    texts: list[str]

    def model(self, family: str = "qwen2_vl") -> Path:
        """Give the folder of a tiny random model, made when it is first asked for."""
        folder = self.folder / family
        if not folder.is_dir():
            build_tiny(folder, family, texts=self.texts, size=SMALL)
        return folder

    def command(self, stage: str, output: Path, *more: str | Path, model: Path | None = None) -> list[str]:
        """Give the words of `cxr train sft|grpo` with the quick settings; what comes later overrules them."""
        data = self.exports.sft if stage == "sft" else self.exports.grpo
        quick = QUICK if stage == "sft" else QUICK_GRPO
        words = ["train", stage, "--preset", "tiny", "--model", model or self.model(), "--data", data, "-o", output]
        return [str(word) for word in (*words, *quick, *more)]

    def train(self, stage: str, output: Path, *more: str | Path, model: Path | None = None) -> Result:
        """Run that command in this process, without what takes longer than its steps."""
        with quickly():
            return run(*self.command(stage, output, *more, model=model))


@contextmanager
def quickly() -> Iterator[None]:
    """Leave out of a training its curves, and the collection of garbage that accelerate ends it with."""
    with (
        patch("cxr.trainer.train.run.write_curves", return_value=None),
        patch("accelerate.utils.memory.clear_device_cache"),
    ):
        yield


def run(*arguments: str | Path) -> Result:
    """Run the command line in this process, which has paid for torch already."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def make_world(folder: Path) -> World:
    """Draw phantoms, mine them and export them."""
    exports = make_exports(write_phantom(folder / "corpus", studies=80, seed=0, size=56), folder / "work", TARGETS)
    rows = pl.read_parquet(sorted((exports.sft / "data").glob("train-*.parquet")))
    texts: list[Any] = [
        turn["content"]
        for row in rows.select("prompt", "completion").to_dicts()
        for turns in row.values()
        for turn in turns
    ]
    return World(folder, exports, texts)
