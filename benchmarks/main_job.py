"""Time the main job on OpenI, step by step, each through the real command line in a process of its own.

    python benchmarks/main_job.py [FOLDER]     # with indiana_reports.csv; default ../shared/data/openi

Prints seconds and peak memory of each command, of its rerun, and of `cxr --help`. Two stores are made: one as a
user would (`cxr ask` with its strict balance), one with `--balance none` for more than 5,000 questions.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks.kit import SHARED, cxr, sql

COUNTS = (
    "select (select count(*) from studies) as studies, (select count(*) from questions) as questions, "
    "(select count(*) from chains) as chains, (select count(*) from rejects where stage = 'mine') as rejects, "
    "(select count(*) from scores) as scored, (select count(*) from factual_chains) as factual"
)


def job(openi: Path, *ask: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps = (("ingest", "openi", openi), ("ask", *ask), ("mine",), ("score",), ("filter", "-o", "factual.jsonl"))
        print(f"\ncxr {' '.join(('ask', *ask))}")
        print(f"{'command':<10}{'seconds':>9}{'peak MB':>9}{'rerun s':>9}")
        total = 0.0
        for step in steps:
            first, again = cxr(folder, *step), cxr(folder, *step)
            total += first.wall_s if step[0] in {"mine", "score"} else 0
            print(f"{step[0]:<10}{first.wall_s:>9.2f}{first.peak_mb:>9.0f}{again.wall_s:>9.2f}")
        print(f"mine and score together: {total:.2f} s; {sql(folder, COUNTS)[0]}")


def main() -> None:
    openi = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED / "data" / "openi"
    if not (openi / "indiana_reports.csv").is_file():
        raise SystemExit(f"{openi} has no indiana_reports.csv; give the folder that has it")
    print(f"cxr --help: {min(cxr(Path.cwd(), '--help').wall_s for _ in range(5)):.2f} s (best of 5)")
    job(openi.resolve())
    job(openi.resolve(), "--balance", "none")


if __name__ == "__main__":
    main()
