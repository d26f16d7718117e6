"""Time `cxr report` on an invented store of any size, with two judges, reviews and an evaluation of two models.

    python benchmarks/report.py [CHAINS]      # default 60,000

Prints seconds, peak memory, the page's size and, where chromium, chromedriver and selenium are installed, the time
to its first paint. The store is a small one, mined and scored for real, and then copied within itself.
"""

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.kit import cxr
from cxr.miner.store import Store
from tests.browser import missing, open_chromium
from tests.report_world import evaluate_world, make_world

# What makes a copy a study of its own: every id gets the number of the copy.
_IDS = {
    "studies": ("study_id", "patient_id"),
    "reports": ("study_id",),
    "labels": ("study_id",),
    "questions": ("question_id", "study_id"),
    "chains": ("chain_id", "question_id", "study_id"),
    "findings": ("chain_id",),
    "scores": ("chain_id",),
}
_PAINTED = "return performance.getEntriesByName('first-contentful-paint')[0].startTime"


def make_store(folder: Path, chains: int) -> Path:
    """Make a store with at least this many chains."""
    db = make_world(folder, studies=240)
    with Store.write(db) as store:
        here = store.count("select count(*) from chains")
        copies = max(0, -(-chains // here) - 1)
        for table, ids in _IDS.items():
            replaced = ", ".join(f"{name} || '-' || copy as {name}" for name in ids)
            copied = f"select {table}.* replace ({replaced}) from {table}, range(1, {copies + 1}) as t(copy)"
            store.connection.execute(f"insert into {table} {copied}")
    evaluate_world(db)
    return db


def first_paint(page: Path) -> float | None:
    """Return the milliseconds to the first contentful paint in Chromium, best of three; None where it is missing."""
    if missing():
        return None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, open_chromium(Path(profile), {}) as driver:
        paints = []
        for _ in range(3):
            driver.get(page.as_uri())
            time.sleep(1)
            paints.append(float(driver.execute_script(_PAINTED)))
    return min(paints)


def main() -> None:
    """Make the store, time the report, look at the page."""
    wanted = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 60_000
    with tempfile.TemporaryDirectory() as name:
        db, page = make_store(Path(name) / "store", wanted), Path(name) / "report.html"
        with Store.read(db) as store:
            tables = ("studies", "questions", "chains", "findings", "predictions")
            print(", ".join(f"{store.count(f'select count(*) from {table}'):,} {table}" for table in tables))
        took = cxr(Path(name), "report", "--db", db, "-o", page)
        print(took.err, file=sys.stderr, end="")
        cost = f"{took.wall_s:.1f} s (of CPU {took.processor_s:.1f} s), {took.peak_mb:,.0f} MB peak"
        print(f"{cost}, page of {page.stat().st_size / 1e6:.2f} MB")
        paint = first_paint(page)
        print("first paint: no Chromium here" if paint is None else f"first paint after {paint:.0f} ms in Chromium")


if __name__ == "__main__":
    main()
