"""Does it learn? SFT, then GRPO with and without the process reward, on invented images and two CPU cores.

    python benchmarks/phantom.py OUT                 # seeds 0, 1 and 2
    python benchmarks/phantom.py OUT --seeds 0 --set sft.steps=400 --set grpo.steps=20

Everything goes through the command line with the preset `tiny`: phantoms are drawn, mined and exported, a random model
is trained, and every checkpoint answers held-out phantoms with greedy decoding. Prints a Markdown table, a row for each
seed and checkpoint: accuracy by task with the answer-only prompt and with reasoning, mean process factuality of the
reasoning (the rules judge, against the report), and seconds. Finished steps are not done again.

What it printed, and what was tried before, stands in docs/training.md.
"""

import functools
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl

from benchmarks.kit import CXR, Json, markdown, parser, records
from cxr.miner.benchmark.settings import Mode
from cxr.miner.judge import RulesJudge
from cxr.miner.judge.radrscore import score_reasoning
from cxr.trainer.phantom.world import PhantomWorld, make_world
from cxr.trainer.reward.answers import parse_completion
from cxr.trainer.reward.rewards import accuracy_reward
from cxr.trainer.train.settings import GRPOSettings

# Of each checkpoint: the stage, and what else it is told.
CHECKPOINTS = {"sft": ("sft",), "grpo": ("grpo",), "grpo-without-process-reward": ("grpo", "--process-reward", "none")}
Measures = Mapping[str, float]


def run_seed(folder: Path, seed: int, changes: Sequence[str]) -> dict[str, Measures]:
    """Train and measure one seed; give the measures of each checkpoint by name."""
    folder.mkdir(exist_ok=True)
    seconds = Seconds(folder / "seconds.json")
    make = functools.partial(make_world, folder / "world", seed=seed)
    world: PhantomWorld = seconds.of("data", make) or make()
    measured: dict[str, Measures] = {}
    for name, (stage, *more) in CHECKPOINTS.items():
        sets = [text.split(".", 1) for text in (f"{stage}.seed={seed}", *changes) if text.startswith(f"{stage}.")]
        model = world.model if stage == "sft" else folder / "sft" / "final"
        words = ["train", stage, "--preset", "tiny", "--model", model, "--data", getattr(world.exports, stage),
                 "-o", folder / name, *more, *(word for _, rest in sets for word in ("--set", rest))]  # fmt: skip
        seconds.of(name, functools.partial(cxr, *words, "--existing", "replace"))
        final, predictions = folder / name / "final", folder / f"{name}.jsonl"
        seconds.of(f"{name} evaluation", functools.partial(predict, world, final, predictions))
        measured[name] = {**measures(world, predictions), "seconds": seconds.spent[name]}
    return measured


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
    """Return accuracies by mode and task, and the mean factuality and completeness of the reasonings.

    Completeness stands beside factuality because a reasoning gets more factual by claiming less, too.
    """
    samples, mined = test_rows(world.exports.grpo), test_rows(world.exports.sft)
    judge = RulesJudge()
    values: dict[str, list[float]] = defaultdict(list)
    for said in records(predictions):
        if "sample_id" not in said:
            continue
        sample, text = samples[said["sample_id"]], said["text"] or ""
        asked = {name: sample[name] for name in ("mode", "task", "answer", "options")}
        values[f"{sample['task']}, {sample['mode'].replace('_', ' ')}"].append(accuracy_reward(text, **asked))
        if sample["mode"] == Mode.REASONING:
            written = (text, mined[said["sample_id"]]["completion"][0]["content"])
            think, reference = (parse_completion(each, reasoning=True)[0] or "" for each in written)
            score = score_reasoning(think, reference, sample["report"], judge).score
            values["factuality"].append(score.factuality or 0.0)
            values["completeness"].append(score.completeness or 0.0)
    return {name: fmean(each) for name, each in sorted(values.items())}


def test_rows(export: Path) -> Mapping[str, Json]:
    """Return the held-out rows of an export by sample."""
    rows = pl.read_parquet(sorted((export / "data").glob("test-*.parquet"))).to_dicts()
    return {row["sample_id"]: row for row in rows}


def lines(measured: Mapping[int, Mapping[str, Measures]], columns: Sequence[str]) -> Iterable[list[str]]:
    """Return each seed and checkpoint, then the means over seeds."""
    means: Mapping[str, Measures] = {
        name: {column: fmean(one[name][column] for one in measured.values()) for column in columns}
        for name in CHECKPOINTS
    }
    for seed, checkpoints in [*measured.items(), ("mean", means)]:
        for name in CHECKPOINTS:
            values = [checkpoints[name][column] for column in columns]
            yield [str(seed), name, *(f"{value:.3f}" if value <= 1 else f"{value:.0f}" for value in values)]


def main() -> None:
    """Run the seeds and print the table."""
    options = parser(__doc__)
    options.add_argument("output", type=Path)
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--set", action="append", default=[], metavar="STAGE.KEY=VALUE", help="e.g. sft.steps=400")
    given = options.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    measured = {seed: run_seed(given.output / f"seed{seed}", seed, given.set) for seed in given.seeds}
    columns = [*measured[given.seeds[0]]["grpo"]]
    print(markdown(["seed", "checkpoint", *columns], lines(measured, columns)))


if __name__ == "__main__":
    main()
