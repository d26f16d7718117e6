"""Does it learn? SFT, then GRPO with and without the process reward, on invented images and two CPU cores.

    python -m benchmarks.phantom OUT                 # seeds 0, 1 and 2
    python -m benchmarks.phantom OUT --seeds 0 --set sft.steps=400 --set grpo.steps=20
    python -m benchmarks.phantom OUT --only grpo --held-out 100 --set grpo.kl=0.2     # to choose settings by

Everything goes through the command line with the preset `tiny`: phantoms are drawn, mined and exported, a random model
is trained, and every checkpoint answers held-out phantoms with greedy decoding. Prints a Markdown table, a row for each
seed and checkpoint: accuracy by task with the answer-only prompt and with reasoning; of the reasonings the grounded
process reward with its halves, stated factuality and completeness, and the paper's factuality (all by the rules judge);
and seconds. Finished steps are not done again. With `--held-out` the questions are those of another world, so that
settings are not chosen by the questions that they are then measured on.

`hacked` is a policy that has learned to say one safe normal and the right answer, and `grpo-from-hacked` is what GRPO
makes of it. What it printed, and what was tried before, stands in docs/training.md.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.kit import CXR, Json, markdown, parser, records
from cxr.miner.benchmark.settings import Mode
from cxr.miner.judge import Judge, RulesJudge
from cxr.trainer.phantom.world import PhantomWorld, make_world
from cxr.trainer.reward.answers import parse_completion
from cxr.trainer.reward.grounded import held, read_reference
from cxr.trainer.reward.reasoning import Reasoned, reason
from cxr.trainer.reward.rewards import accuracy_reward
from cxr.trainer.train.settings import GRPOSettings


@dataclass(frozen=True)
class Checkpoint:
    """How a checkpoint is made: the stage, what it starts from (None: random weights), and what else it is told."""

    stage: Literal["sft", "grpo"]
    start: str | None = None
    words: tuple[str, ...] = ()
    is_hacked: bool = False
    """Each reasoning that it learns from is one safe normal."""


CHECKPOINTS = {
    "sft": Checkpoint("sft"),
    "grpo": Checkpoint("grpo", "sft"),
    "grpo-step-credit": Checkpoint("grpo", "sft", ("--set", "credit=step")),
    "grpo-without-process-reward": Checkpoint("grpo", "sft", ("--process-reward", "none")),
    "hacked": Checkpoint("sft", "sft", ("--set", "steps=150", "--set", "learning_rate=1e-3"), is_hacked=True),
    "grpo-from-hacked": Checkpoint("grpo", "hacked"),
}
SAFE = "The trachea is midline."
"""No report of a phantom mentions it, so none refutes it: the paper's factuality pays it in full."""
Measures = Mapping[str, float]


def run_seed(
    folder: Path, seed: int, changes: Sequence[str], names: Iterable[str], held_out: int | None
) -> dict[str, Measures]:
    """Train and measure one seed; give the measures of each checkpoint by name."""
    folder.mkdir(exist_ok=True)
    seconds = Seconds(folder / "seconds.json")
    make = functools.partial(make_world, folder / "world", seed=seed)
    world: PhantomWorld = seconds.of("data", make) or make()
    asked = world if held_out is None else make_world(folder.parent / f"world{held_out}", seed=held_out)
    about = "" if held_out is None else f"-world{held_out}"
    measured: dict[str, Measures] = {}
    for name in names:
        seconds.of(name, functools.partial(train, folder, name, world, seed, changes))
        final, predictions = folder / name / "final", folder / f"{name}{about}.jsonl"
        seconds.of(f"{name} evaluation{about}", functools.partial(predict, asked, final, predictions))
        measured[name] = {**measures(asked, predictions), "seconds": seconds.spent[name]}
    return measured


def train(folder: Path, name: str, world: PhantomWorld, seed: int, changes: Sequence[str]) -> None:
    """Train a checkpoint of a seed into the folder of its name."""
    made = CHECKPOINTS[name]
    model = world.model if made.start is None else folder / made.start / "final"
    data: Path = getattr(world.exports, made.stage)
    if made.is_hacked:
        data = hacked(data, folder / f"{name}-data")
    told = [text.split(".", 1) for text in (f"{made.stage}.seed={seed}", *changes)]
    sets = [word for stage, setting in told if stage == made.stage for word in ("--set", setting)]
    words = ["train", made.stage, "--preset", "tiny", "--model", model, "--data", data, "-o", folder / name]
    cxr(*words, *made.words, *sets, "--existing", "replace")


def hacked(export: Path, copy: Path) -> Path:
    """Copy an export for SFT, with one safe normal in the place of each reasoning; return where it lies."""
    if copy.exists():
        shutil.rmtree(copy)
    shutil.copytree(export, copy)
    for path in copy.glob("data/train-*.parquet"):
        table = pq.read_table(path)
        rows = table.to_pylist()
        for row in rows:
            if row["mode"] == Mode.REASONING:
                said = row["completion"][0]
                answer = parse_completion(said["content"], reasoning=True)[1]
                said["content"] = f"<think> {SAFE} </think><answer> {answer} </answer>"
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    return copy


class Seconds:
    """Wall-clock seconds of finished steps, kept in a file, so that they are not done again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.spent: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}

    def of(self, name: str, step: Callable[[], Any]) -> Any:
        """Do a step that was not done before, and note how long it took; give what it gives, else None."""
        if name in self.spent:
            return None
        start = time.perf_counter()
        made = step()
        self.spent[name] = round(time.perf_counter() - start, 1)
        self._path.write_text(json.dumps(self.spent, indent=1) + "\n")
        return made


def cxr(*words: object) -> None:
    """Run a command; its output goes to the terminal's error stream."""
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")}
    subprocess.run([CXR, *map(str, words)], check=True, stdout=sys.stderr, env={**os.environ, **threads})


def predict(world: PhantomWorld, model: Path, output: Path) -> None:
    """Ask a checkpoint every test question, in the mode of each sample, with greedy decoding."""
    settings = GRPOSettings.from_preset("tiny", world.exports.store, {})
    cxr(
        "predict", world.exports.grpo, "--model", model, "-o", output, "--mode", "own", "--replace", "--batch", 100,
        "--max-new-tokens", settings.max_completion_length, "--max-pixels", settings.max_pixels,
        "--db", world.exports.store,
    )  # fmt: skip


def measures(world: PhantomWorld, predictions: Path) -> dict[str, float]:
    """Return accuracies by mode and task, and of the reasonings the means of what `reasoned` gives."""
    samples = test_rows(world.exports.grpo)
    judge = RulesJudge()
    values: dict[str, list[float]] = defaultdict(list)
    for said in records(predictions):
        if "sample_id" not in said:
            continue
        sample, text = samples[said["sample_id"]], said["text"] or ""
        asked = {name: sample[name] for name in ("mode", "task", "answer", "options")}
        values[f"{sample['task']}, {sample['mode'].replace('_', ' ')}"].append(accuracy_reward(text, **asked))
        told = reasoned(text, sample, judge) if sample["mode"] == Mode.REASONING else None
        if told is not None and told.compared is not None:
            values["stated"].append(told.compared.stated)
            values["completeness"].append(told.compared.completeness)
            values["grounded"].append(told.compared.value)
            values["factuality"].append(told.factuality)
    return {name: fmean(each) for name, each in values.items()}


def reasoned(text: str, sample: Json, judge: Judge) -> Reasoned:
    """Return a completion's reasoning as the grounded process reward judges it; one out of form says nothing."""
    reference = read_reference(held(sample["reference"]) or "", sample["report"], judge)
    think, _answer = parse_completion(text, reasoning=True)
    return reason(think, sample["report"], judge, reference, "grounded") if think else Reasoned.nothing(compared=True)


def test_rows(export: Path) -> Mapping[str, Json]:
    """Return the held-out rows of an export by sample."""
    rows = pl.read_parquet(sorted((export / "data").glob("test-*.parquet"))).to_dicts()
    return {row["sample_id"]: row for row in rows}


def lines(measured: Mapping[int, Mapping[str, Measures]], columns: Sequence[str]) -> Iterable[list[str]]:
    """Return each seed and checkpoint, then the means over seeds."""
    names = next(iter(measured.values())).keys()
    means: Mapping[str, Measures] = {
        name: {column: fmean(one[name][column] for one in measured.values()) for column in columns} for name in names
    }
    for seed, checkpoints in [*measured.items(), ("mean", means)]:
        for name in names:
            values = [checkpoints[name][column] for column in columns]
            yield [str(seed), name, *(f"{value:.3f}" if value <= 1 else f"{value:.0f}" for value in values)]


def main() -> None:
    """Run the seeds and print the table."""
    options = parser(__doc__)
    options.add_argument("output", type=Path)
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--set", action="append", default=[], metavar="STAGE.KEY=VALUE", help="e.g. sft.steps=400")
    options.add_argument("--only", nargs="+", default=[*CHECKPOINTS], choices=CHECKPOINTS, help="these checkpoints")
    options.add_argument("--held-out", type=int, metavar="SEED", help="ask the questions of this seed's world")
    given = options.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    names = [name for name in CHECKPOINTS if name in given.only]
    measured = {
        seed: run_seed(given.output / f"seed{seed}", seed, given.set, names, given.held_out) for seed in given.seeds
    }
    columns = [*measured[given.seeds[0]][names[0]]]
    print(markdown(["seed", "checkpoint", *columns], lines(measured, columns)))


if __name__ == "__main__":
    main()
