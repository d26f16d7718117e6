"""Does it learn? SFT, then GRPO with and without the process reward, on invented images and two CPU cores.

    python benchmarks/phantom.py OUT                 # seeds 0, 1 and 2
    python benchmarks/phantom.py OUT --seeds 0 --set sft.steps=400 --set grpo.steps=20

Everything goes through the command line with the preset `tiny`: phantoms are drawn, mined and exported, a random model
is trained, and every checkpoint answers held-out phantoms with greedy decoding. Prints a Markdown table, a row for each
seed and checkpoint: accuracy by task with the answer-only prompt and with reasoning, mean process factuality of the
reasoning (the rules judge, against the report), and seconds. Finished steps are not done again.

What it printed, and what was tried before, stands in docs/training.md.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl

from cxr.miner.benchmark.settings import Mode
from cxr.miner.judge import RulesJudge
from cxr.miner.judge.radrscore import score_reasoning
from cxr.trainer.phantom.world import PhantomWorld, make_world
from cxr.trainer.reward.answers import parse_completion
from cxr.trainer.reward.rewards import accuracy_reward
from cxr.trainer.train.settings import GRPOSettings

CHECKPOINTS = ("sft", "grpo", "grpo-without-process-reward")
SECONDS = "seconds.json"


def main() -> None:
    """Run the seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], metavar="STAGE.KEY=VALUE", help="e.g. sft.steps=400")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    measured = {seed: run_seed(given.output / f"seed{seed}", seed, given.set) for seed in given.seeds}
    print("\n".join(table(measured)))


def run_seed(folder: Path, seed: int, changes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Train and measure one seed; give the measures of each checkpoint by name."""
    folder.mkdir(exist_ok=True)
    seconds = Seconds(folder / SECONDS)
    world = seconds.of("data", lambda: make_world(folder / "world", seed=seed))
    world = world or make_world(folder / "world", seed=seed)
    runs = {
        "sft": ("sft", world.model, world.exports.sft, ()),
        "grpo": ("grpo", folder / "sft" / "final", world.exports.grpo, ()),
        "grpo-without-process-reward": (
            "grpo", folder / "sft" / "final", world.exports.grpo, ("--process-reward", "none"),
        ),
    }  # fmt: skip
    measured = {}
    for name, (stage, model, data, more) in runs.items():
        words = ["train", stage, "--preset", "tiny", "--model", model, "--data", data, "-o", folder / name, *more]
        words += [word for text in (f"{stage}.seed={seed}", *changes) for word in setting(stage, text)]
        seconds.of(name, lambda words=words: cxr(*words, "--existing", "replace"))
        predictions = folder / f"{name}.jsonl"
        seconds.of(f"{name} evaluation", lambda name=name, to=predictions: predict(world, folder / name / "final", to))
        measured[name] = measures(world, predictions) | {"seconds": seconds.spent[name]}
    measured["sft"]["data seconds"] = seconds.spent["data"]
    measured["sft"]["evaluation seconds"] = seconds.spent["sft evaluation"]
    return measured


def setting(stage: str, text: str) -> list[str]:
    """Return the option for a `STAGE.KEY=VALUE` of this stage; nothing for one of another."""
    of, _, rest = text.partition(".")
    return ["--set", rest] if of == stage else []


class Seconds:
    """Wall-clock seconds of finished steps, kept in a file, so that they are not done again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.spent: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}

    def of(self, name: str, step: Any) -> Any:
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
    program = Path(sys.executable).with_name("cxr")
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")}
    subprocess.run([program, *map(str, words)], check=True, stdout=sys.stderr, env={**os.environ, **threads})


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
    for line in predictions.read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        if "sample_id" not in said:
            continue
        sample, text = samples[said["sample_id"]], said["text"] or ""
        right = accuracy_reward(
            text, mode=sample["mode"], task=sample["task"], answer=sample["answer"], options=sample["options"]
        )
        values[f"{sample['task']}, {sample['mode'].replace('_', ' ')}"].append(right)
        if sample["mode"] == Mode.REASONING:
            think = parse_completion(text, reasoning=True)[0] or ""
            reference = parse_completion(mined[said["sample_id"]]["completion"][0]["content"], reasoning=True)[0] or ""
            score = score_reasoning(think, reference, sample["report"], judge).score
            values["factuality"].append(score.factuality or 0.0)
            values["completeness"].append(score.completeness or 0.0)
    return {name: fmean(each) for name, each in sorted(values.items())}


def test_rows(export: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the held-out rows of an export by sample."""
    rows = pl.read_parquet(sorted((export / "data").glob("test-*.parquet"))).to_dicts()
    return {row["sample_id"]: row for row in rows}


def table(measured: Mapping[int, Mapping[str, Mapping[str, float]]]) -> Iterable[str]:
    """Return the lines of a Markdown table: each seed and checkpoint, then the means over seeds."""
    first = next(iter(measured.values()))
    columns = [*first["grpo"]]
    yield "| seed | checkpoint | " + " | ".join(columns) + " |"
    yield "|---|---|" + "---|" * len(columns)
    for seed, checkpoints in measured.items():
        for name in CHECKPOINTS:
            yield line(str(seed), name, [checkpoints[name][column] for column in columns])
    for name in CHECKPOINTS:
        means = [fmean(checkpoints[name][column] for checkpoints in measured.values()) for column in columns]
        yield line("mean", name, means)


def line(seed: str, name: str, values: Sequence[float]) -> str:
    """Return one line of the table."""
    return (
        f"| {seed} | {name} | "
        + " | ".join(f"{value:.3f}" if value <= 1 else f"{value:.0f}" for value in values)
        + " |"
    )


if __name__ == "__main__":
    main()
