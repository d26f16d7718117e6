"""Time `cxr import predictions`, `evaluate` and `compare` on 60,000 predictions derived from OpenI, and --from-counts.

    python benchmarks/evaluation.py [--shared ../shared] [--predictions 60000] [--folder /tmp/kept]

OpenI is ingested, asked, mined and scored, and a benchmark compiled with a report behind every sample. Six
invented models answer it: one repeats the reference, one tells half of it, one tells another study's report, one adds
what is not there, one writes without tags, one answers at random. Prints seconds, processor seconds and the peak memory
of all processes together. A target is met where the seconds are, or on a busy machine half the processor seconds.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

CXR = Path(sys.executable).with_name("cxr")
TARGET_S, TARGET_MB, TARGET_COUNTS_S = 90, 2048, 3
ADDED = (
    "There is a large right pneumothorax.",
    "A left-sided pacemaker is present.",
    "Multiple rib fractures are seen.",
    "There is severe pulmonary edema with bilateral effusions.",
    "The trachea is deviated to the left.",
)
COLUMNS = (
    "model",
    "task",
    "row",
    "n_pred",
    "n_correct",
    "n_gt",
    "n_recalled",
    "n_effective",
    "n_ineffective",
    "correct",
)


def family(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def memory(root: int) -> float:
    """Return the memory of a process and its descendants in MB; pages that several share count once (PSS)."""
    total = 0.0
    for process in family(root):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return total / 1024


def timed(folder: Path, *arguments: str | Path, out: str | None = None) -> tuple[float, float, float]:
    """Run `cxr`, print what it took, and give seconds, processor seconds and peak MB of its whole family."""
    started = time.perf_counter()
    with (folder / (out or "out.txt")).open("w") as target, (folder / "err.txt").open("w") as errors:
        process = subprocess.Popen([CXR, *map(str, arguments)], cwd=folder, stdout=target, stderr=errors)
        peak = [0.0]
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.25):
                peak[0] = max(peak[0], memory(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        ended.set()
        watcher.join()
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 4}:
        raise SystemExit(f"cxr {arguments[0]} ended with {process.returncode}: {(folder / 'err.txt').read_text()}")
    cpu = usage.ru_utime + usage.ru_stime
    print(f"{' '.join(map(str, arguments))[:60]:<62}{seconds:>7.1f} s{cpu:>8.1f} s CPU{peak[0]:>8,.0f} MB", flush=True)
    return seconds, cpu, peak[0]


def predictions(samples: list[dict[str, Any]], wanted: int, mark: str) -> Iterator[dict[str, Any]]:
    """Invent what six models say of the samples, until there are enough predictions."""
    draw = random.Random(0)  # noqa: S311 - invented data, no secret
    reports = [sample["report"] for sample in samples]
    made = 0
    for number in range(-(-wanted // len(samples))):
        kind = number % 6
        for sample in samples:
            if made == wanted:
                return
            made += 1
            steps, options = sample["steps"], sample["options"] or []
            answer = sample["answer"]
            if kind in {1, 3}:
                steps = steps[::2] if kind == 1 else [*steps, *draw.sample(ADDED, 2)]
            if kind == 2:
                steps = [draw.choice(reports)]
            if kind == 5 or draw.random() < 0.2:
                answer = draw.choice([option["letter"] for option in options] or ["Yes", "No"])
            think = " ".join(steps)
            text = (
                f"{think} The answer is {answer}." if kind == 4 else f"<think>{think}</think><answer>{answer}</answer>"
            )
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
        for line in predictions(samples, wanted, mark):
            out.write(json.dumps(line) + "\n")
    print(f"{len(samples):,} samples, {wanted:,} predictions, {(folder / 'predictions.jsonl').stat().st_size:,} bytes")


def counts(path: Path) -> None:
    """Write 6,000 rows in 30 groups for --from-counts."""
    draw = random.Random(0)  # noqa: S311 - invented data, no secret
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for row in range(6000):
            n_pred, n_gt = draw.randint(0, 8), draw.randint(0, 8)
            effective = draw.randint(0, n_pred)
            writer.writerow(
                [f"model-{row % 6}", f"task-{row // 6 % 5}", row, n_pred, draw.randint(0, n_pred), n_gt,
                 draw.randint(0, n_gt), effective, n_pred - effective, draw.randint(0, 1)]
            )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[1].parent / "shared")
    parser.add_argument("--predictions", type=int, default=60_000)
    parser.add_argument("--folder", type=Path, help="Keep the store here; an earlier one is used again.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = given.folder or Path(name)
        folder.mkdir(exist_ok=True)
        if not (folder / "predictions.jsonl").exists():
            build(folder, given.shared.resolve(), given.predictions)
        timed(folder, "import", "predictions", "predictions.jsonl", "--benchmark", "bench", "--replace")
        seconds, cpu, peak = timed(folder, "evaluate", "bench", out="results.txt")
        met = "met" if min(seconds, cpu / 2) < TARGET_S and peak < TARGET_MB else "MISSED"
        print(f"target: {TARGET_S} s on 2 cores, {TARGET_MB:,} MB: {met}")
        timed(folder, "evaluate", "bench", "--cluster", "patient", "--format", "json")
        timed(folder, "compare", "model-0", "model-2", "--benchmark", "bench")
        counts(folder / "counts.csv")
        seconds, cpu, _ = timed(folder, "evaluate", "--from-counts", "counts.csv")
        print(f"target: {TARGET_COUNTS_S} s: {'met' if min(seconds, cpu) < TARGET_COUNTS_S else 'MISSED'}")


if __name__ == "__main__":
    main()
