"""Time `cxr import predictions`, `evaluate` and `compare` on 60,000 predictions derived from OpenI, and --from-counts.

    python benchmarks/evaluation.py [--shared ../shared] [--predictions 60000] [--folder /tmp/kept]

OpenI is ingested, asked, mined and scored, and a benchmark compiled with a report behind every sample. Six
invented models answer it: one repeats the reference, one tells half of it, one tells another study's report, one adds
what is not there, one writes without tags, one answers at random. Prints seconds, processor seconds and the peak memory
of all processes together. A target is met where the seconds are, or on a busy machine half the processor seconds.
"""

import csv
import functools
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

import polars as pl

from benchmarks.kit import SHARED, Json, parser
from benchmarks.kit import timed as timed_alone
from cxr.trainer.evaluate.counts import COUNT_COLUMNS

timed = functools.partial(timed_alone, family="Pss")
TARGET_S, TARGET_MB, TARGET_COUNTS_S = 90, 2048, 3
ADDED = (
    "There is a large right pneumothorax.",
    "A left-sided pacemaker is present.",
    "Multiple rib fractures are seen.",
    "There is severe pulmonary edema with bilateral effusions.",
    "The trachea is deviated to the left.",
)


def predictions(samples: Sequence[Json], wanted: int, mark: str) -> Iterator[Json]:
    """Invent what six models say of the samples, until there are enough predictions."""
    draw = random.Random(0)  # noqa: S311 - invented data, no secret
    reports = [sample["report"] for sample in samples]
    for made, sample in enumerate(islice(cycle(samples), wanted)):
        number = made // len(samples)
        kind = number % 6
        steps, options, answer = sample["steps"], sample["options"] or [], sample["answer"]
        if kind in {1, 3}:
            steps = steps[::2] if kind == 1 else [*steps, *draw.sample(ADDED, 2)]
        if kind == 2:
            steps = [draw.choice(reports)]
        if kind == 5 or draw.random() < 0.2:
            answer = draw.choice([option["letter"] for option in options] or ["Yes", "No"])
        think = " ".join(steps)
        text = f"{think} The answer is {answer}." if kind == 4 else f"<think>{think}</think><answer>{answer}</answer>"
        yield {"sample_id": sample["sample_id"], "model": f"model-{number}", "mode": "reasoning", "text": text,
               "benchmark": mark, "error": None}  # fmt: skip


def build(folder: Path, shared: Path, wanted: int) -> None:
    """Make a store, a benchmark and predictions in a folder that is empty."""
    timed(folder, "ingest", "openi", shared / "data" / "openi")
    timed(folder, "ask", "--balance", "none")
    timed(folder, "mine")
    timed(folder, "score")
    timed(folder, "bench", "compile", "bench", "--only", "--target", "test.reasoning=10000",
          "--target", "train.reasoning=10000", "--images", "optional")  # fmt: skip
    frames = [pl.read_parquet(path) for path in sorted((folder / "bench").rglob("reasoning*.parquet"))]
    samples = pl.concat(frames).to_dicts()
    mark = json.loads((folder / "bench" / "manifest.json").read_text())["fingerprint"]
    with (folder / "predictions.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(line) + "\n" for line in predictions(samples, wanted, mark))
    print(f"{len(samples):,} samples, {wanted:,} predictions, {(folder / 'predictions.jsonl').stat().st_size:,} bytes")


def counts(path: Path) -> None:
    """Write 6,000 rows in 30 groups for --from-counts."""
    draw = random.Random(0)  # noqa: S311 - invented data, no secret
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COUNT_COLUMNS)
        for row in range(6000):
            n_pred, n_gt = draw.randint(0, 8), draw.randint(0, 8)
            effective = draw.randint(0, n_pred)
            writer.writerow(
                [f"model-{row % 6}", f"task-{row // 6 % 5}", row, n_pred, draw.randint(0, n_pred), n_gt,
                 draw.randint(0, n_gt), effective, n_pred - effective, draw.randint(0, 1)]
            )  # fmt: skip


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--shared", type=Path, default=SHARED)
    options.add_argument("--predictions", type=int, default=60_000)
    options.add_argument("--folder", type=Path, help="Keep the store here; an earlier one is used again.")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = given.folder or Path(name)
        folder.mkdir(exist_ok=True)
        if not (folder / "predictions.jsonl").exists():
            build(folder, given.shared.resolve(), given.predictions)
        timed(folder, "import", "predictions", "predictions.jsonl", "--benchmark", "bench", "--replace")
        took = timed(folder, "evaluate", "bench")
        (folder / "results.txt").write_text(took.out)
        met = min(took.wall_s, took.processor_s / 2) < TARGET_S and took.peak_mb < TARGET_MB
        print(f"target: {TARGET_S} s on 2 cores, {TARGET_MB:,} MB: {'met' if met else 'MISSED'}")
        timed(folder, "evaluate", "bench", "--cluster", "patient", "--format", "json")
        timed(folder, "compare", "model-0", "model-2", "--benchmark", "bench")
        counts(folder / "counts.csv")
        took = timed(folder, "evaluate", "--from-counts", "counts.csv")
        met = min(took.wall_s, took.processor_s) < TARGET_COUNTS_S
        print(f"target: {TARGET_COUNTS_S} s: {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
