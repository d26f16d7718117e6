"""What a benchmark is to hold: target sizes by split, mode and task, and what is left out."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cxr.miner.benchmark.leakage import NEAR
from cxr.miner.kit.errors import SettingsError
from cxr.miner.kit.settings import Names, StageSettings
from cxr.schemas.vocabulary import Task

Split = Literal["train", "validate", "test"]
SPLITS: tuple[Split, ...] = ("train", "validate", "test")


class Mode(StrEnum):
    """How a sample is answered: the question alone, or with reasoning mined from the report."""

    ANSWER_ONLY = "answer_only"
    REASONING = "reasoning"


class Existing(StrEnum):
    """What to do where the benchmark's folder exists."""

    RESUME = "resume"
    """Go on with an unfinished build of the same questions; a finished one is left as it is."""
    REPLACE = "replace"
    STOP = "stop"


def check_split(name: str) -> Split:
    """Return a split by its name; raises SettingsError for any other word."""
    for split in SPLITS:
        if split == name:
            return split
    raise SettingsError(f"the split {name!r} is unknown; choose from {', '.join(SPLITS)}")


# One number is spread over the tasks; a table fixes each task.
Target = int | dict[Task, int]
Targets = dict[Split, dict[Mode, Target]]

# RadRBench-CXR (paper, section 2): the paper gives totals only, so they are spread evenly over the five tasks.
PAPER_TARGETS: Targets = {
    "train": {Mode.ANSWER_ONLY: 1_200_000, Mode.REASONING: 59_000},
    "test": {Mode.ANSWER_ONLY: 7_300, Mode.REASONING: 1_000},
}


def parse_targets(given: Iterable[str]) -> Targets:
    """Read `test.answer_only=300` and `test.answer_only.binary=300`; raises SettingsError for anything else."""
    targets: Targets = {}
    for text in given:
        match = re.fullmatch(r"(\w+)\.(\w+)(?:\.(\w+))?=([\d_]+)", text)
        if not match or match[1] not in SPLITS or match[2] not in set(Mode) or (match[3] or "binary") not in set(Task):
            raise SettingsError(
                f"bench compile: --target {text!r} cannot be read; expected SPLIT.MODE=N or SPLIT.MODE.TASK=N, e.g. "
                "test.reasoning=1000 or train.answer_only.binary=300000"
            )
        split: Split = match[1]
        mode, number = Mode(match[2]), int(match[4])
        modes = targets.setdefault(split, {})
        if match[3] is None:
            modes[mode] = number
        else:
            tasks = modes.get(mode)
            modes[mode] = {**(tasks if isinstance(tasks, dict) else {}), Task(match[3]): number}
    return targets


def merge_targets(base: Targets, given: Mapping[Split, Mapping[Mode, Target]]) -> Targets:
    """Lay single targets over the paper's, or over those of cxr.toml."""
    merged: Targets = {split: dict(modes) for split, modes in base.items()}
    for split, modes in given.items():
        merged.setdefault(split, {}).update(modes)
    return merged


def bench_settings(store: Path, targets: Iterable[str], *, only: bool, **given: object) -> "BenchSettings":
    """Resolve the settings of a compile; single targets are laid over the configured ones, or with `only` alone."""
    settings = BenchSettings.resolve(store, **given)
    parsed = parse_targets(targets)
    if not parsed:
        return settings
    chosen = parsed if only else merge_targets(settings.targets, parsed)
    return settings.model_copy(update={"targets": chosen})


class BenchSettings(StageSettings):
    """Which questions and chains a benchmark takes."""

    stage: ClassVar[str] = "bench compile"
    model_config = SettingsConfigDict(env_prefix="CXR_BENCH_", pyproject_toml_table_header=("bench",))

    seed: int = 0
    targets: Targets = PAPER_TARGETS
    corpora: Names | None = None
    engine: str | None = None
    # Of a question's chains the best one, by whatever settings it was mined, not the newest.
    all_settings: bool = False
    min_factuality: float = Field(default=1.0, ge=0, le=1)
    # The split that keeps studies whose words another split repeats: test (train gives way), train, or both.
    duplicates: Literal["test", "train", "both"] = "test"
    near: float = Field(default=NEAR, ge=0.5, le=1)
    images: Literal["required", "optional"] = "required"
    max_images: int = Field(default=2, ge=1, le=8)
    contradicted: Literal["drop", "keep"] = "drop"
    shard_rows: int = Field(default=100_000, ge=1)
