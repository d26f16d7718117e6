"""Everything that the preset `tiny` needs, in one folder: phantoms, store, benchmark, exports and a random model.

The phantoms become training data by the same functions that work on real corpora: ingest, ask, mine, score, export.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from cxr.miner.ask.ask import ask
from cxr.miner.ask.settings import AskSettings
from cxr.miner.benchmark.compile import compile_benchmark
from cxr.miner.benchmark.settings import BenchSettings, Existing, Mode, Targets
from cxr.miner.export.export import export
from cxr.miner.export.settings import ExportSettings
from cxr.miner.ingest.csv.reader import read_csv_corpus
from cxr.miner.ingest.write.ingest import ingest
from cxr.miner.judge import RulesJudge
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.files import discard
from cxr.miner.kit.parallel import quiet
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.mine.job import mine
from cxr.miner.mine.settings import MineSettings
from cxr.miner.score.score import score
from cxr.miner.score.settings import ScoreSettings
from cxr.miner.store import Store
from cxr.schemas.vocabulary import Licence, Task
from cxr.trainer.phantom.corpus import NAME, PhantomCorpus, write_phantom

ONE_STUDY = (Task.BINARY, Task.SINGLE, Task.MULTIPLE)
TARGETS: Targets = {
    "train": {
        Mode.ANSWER_ONLY: {Task.BINARY: 2000, Task.SINGLE: 2500},
        Mode.REASONING: {Task.BINARY: 800, Task.SINGLE: 800},
    },
    "validate": {
        Mode.ANSWER_ONLY: {Task.BINARY: 32, Task.SINGLE: 32},
        Mode.REASONING: {Task.BINARY: 32, Task.SINGLE: 32},
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
class PhantomExports:
    """Where the store, the benchmark and its two exports lie."""

    store: Path
    benchmark: Path
    sft: Path
    grpo: Path

    @classmethod
    def inside(cls, folder: Path) -> "PhantomExports":
        """Return where they lie in a folder."""
        return cls(folder / "phantom.duckdb", folder / "benchmark", folder / "sft", folder / "grpo")


def make_exports(corpus: PhantomCorpus, folder: Path, targets: Targets, *, seed: int = 0) -> PhantomExports:
    """Ingest phantoms, ask, mine, score, compile to `targets` and export for SFT and GRPO, into `folder`.

    Templated reports repeat one another from patient to patient, and the pictures do not: so shared words put no study
    out (duplicates "both"), which would be wrong for real reports.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = PhantomExports.inside(folder)
    ingest(made.store, lambda: read_csv_corpus(corpus.csv, {}, NAME, Licence.PUBLIC), quiet)
    with Store.write(made.store) as store:
        ask(store, AskSettings(tasks=ONE_STUDY, seed=seed))
        if corpus.pairs:
            ask(store, AskSettings(tasks=(Task.TEMPORAL,), source="report", seed=seed))
        # A tiny model learns one wording of what it sees.
        mine(store, RulesEngine(wording="plain"), MineSettings(engine="rules", wording="plain"), quiet)
        score(store, RulesJudge(), ScoreSettings(judge="rules"), quiet)
        settings = BenchSettings(seed=seed, targets=targets, duplicates="both", max_images=1)
        compile_benchmark(store, made.benchmark, settings, Existing.REPLACE, quiet)
        for name, place in (("sft", made.sft), ("grpo", made.grpo)):
            export(store, made.benchmark, str(place), name, ExportSettings(seed=seed), Existing.REPLACE, advance=quiet)
    return made


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
        discard(folder)
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
