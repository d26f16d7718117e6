"""Time the main job on OpenI, step by step, each through the real command line in a process of its own.

    python benchmarks/main_job.py [FOLDER]     # with indiana_reports.csv; default ../shared/data/openi

Prints seconds and peak memory of each command, of its rerun, and of `cxr --help`. Two stores are made: one as a
user would (`cxr ask` with its strict balance), one with `--balance none` for more than 5,000 questions.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CXR = Path(sys.executable).with_name("cxr")
DEFAULT = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "openi"


def timed(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Run `cxr` and give seconds and peak MB of the process."""
    started = time.perf_counter()
    process = subprocess.Popen([CXR, *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 4}:
        raise SystemExit(f"cxr {' '.join(arguments)} ended with {process.returncode}")
    return seconds, _megabytes(usage)


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1024 if sys.platform.startswith("linux") else 1024 * 1024)


def counts(folder: Path) -> dict[str, int]:
    query = (
        "select (select count(*) from studies) as studies, (select count(*) from questions) as questions, "
        "(select count(*) from chains) as chains, (select count(*) from rejects where stage = 'mine') as rejects, "
        "(select count(*) from scores) as scored, (select count(*) from factual_chains) as factual"
    )
    told = subprocess.run(
        [CXR, "sql", query, "--format", "json"], cwd=folder, capture_output=True, text=True, check=True
    )
    result: dict[str, int] = json.loads(told.stdout)
    return result


def job(openi: Path, ask: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps = [["ingest", "openi", str(openi)], ["ask", *ask], ["mine"], ["score"], ["filter", "-o", "factual.jsonl"]]
        print(f"\ncxr {' '.join(steps[1])}")
        print(f"{'command':<10}{'seconds':>9}{'peak MB':>9}{'rerun s':>9}")
        total = 0.0
        for step in steps:
            seconds, peak = timed(step, folder)
            again, _ = timed(step, folder)
            total += seconds if step[0] in {"mine", "score"} else 0
            print(f"{step[0]:<10}{seconds:>9.2f}{peak:>9.0f}{again:>9.2f}")
        print(f"mine and score together: {total:.2f} s; {counts(folder)}")


def main() -> None:
    openi = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    if not (openi / "indiana_reports.csv").is_file():
        raise SystemExit(f"{openi} has no indiana_reports.csv; give the folder that has it")
    help_seconds = min(timed(["--help"], Path.cwd())[0] for _ in range(5))
    print(f"cxr --help: {help_seconds:.2f} s (best of 5)")
    job(openi.resolve(), [])
    job(openi.resolve(), ["--balance", "none"])


if __name__ == "__main__":
    main()
