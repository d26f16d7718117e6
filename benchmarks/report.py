"""Time `cxr report` on an invented store of any size, with two judges, reviews and an evaluation of two models.

    python benchmarks/report.py [CHAINS]      # default 60,000

Prints seconds, peak memory, the page's size and, where chromium, chromedriver and selenium are installed, the time
to its first paint. The store is a small one, mined and scored for real, and then copied within itself.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxr.miner.store import Store
from tests.report_world import evaluate_world, make_world

try:
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service
except ModuleNotFoundError:
    HAS_SELENIUM = False
else:
    HAS_SELENIUM = True

CXR = Path(sys.executable).with_name("cxr")
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
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs or not HAS_SELENIUM:
        return None
    options = ChromeOptions()
    options.binary_location = str(programs[0])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                     "--disable-background-networking", f"--user-data-dir={profile}"):  # fmt: skip
            options.add_argument(flag)
        driver = Chrome(options=options, service=Service(str(programs[1])))
        try:
            paints = []
            for _ in range(3):
                driver.get(page.as_uri())
                time.sleep(1)
                asked = "return performance.getEntriesByName('first-contentful-paint')[0].startTime"
                paints.append(float(driver.execute_script(asked)))
        finally:
            driver.quit()
    return min(paints)


def main() -> None:
    """Make the store, time the report, look at the page."""
    wanted = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 60_000
    with tempfile.TemporaryDirectory() as name:
        db = make_store(Path(name) / "store", wanted)
        page = Path(name) / "report.html"
        with Store.read(db) as store:
            counts = [
                store.count(f"select count(*) from {table}")
                for table in ("studies", "questions", "chains", "findings", "predictions")
            ]
        print("{:,} studies, {:,} questions, {:,} chains, {:,} findings, {:,} predictions".format(*counts))
        started = time.perf_counter()
        process = subprocess.Popen([CXR, "report", "--db", db, "-o", page])
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"cxr report ended with {process.returncode}")
        print(
            f"{seconds:.1f} s (of CPU {usage.ru_utime + usage.ru_stime:.1f} s), {megabytes(usage):,.0f} MB peak, ",
            end="",
        )
        print(f"page of {page.stat().st_size / 1e6:.2f} MB")
        paint = first_paint(page)
        print("first paint: no Chromium here" if paint is None else f"first paint after {paint:.0f} ms in Chromium")


def megabytes(usage: resource.struct_rusage) -> float:
    """Return a process's peak memory."""
    return usage.ru_maxrss / (1024 if sys.platform.startswith("linux") else 1024 * 1024)


if __name__ == "__main__":
    main()
