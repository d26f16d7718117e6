"""Print how fast and how lean the ingest of a MIMIC-shaped corpus is, at two sizes.

    python benchmarks/ingest.py                        # 20,000 and 227,835 studies, written into a temporary folder
    python benchmarks/ingest.py --keep FOLDER          # keep the corpora there, and use them the next time
    python benchmarks/ingest.py --sizes 2000,20000

The corpora come from ../shared/tools/make_mimic_like.py, beside the repository. Memory is the resident memory of the
whole process tree, sampled ten times a second. A machine that does other work shows in the wall clock, not in the
processor time.
"""

import argparse
import csv
import gzip
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
CXR = Path(sys.executable).with_name("cxr")
PAGE = os.sysconf("SC_PAGE_SIZE")
LABELS = "mimic-cxr-2.0.0-chexpert.csv.gz"
TARGETS = {"first": "30 s, 1,000 MB", "second": "5 s", "one changed row": "that row alone"}


class Measured(NamedTuple):
    """What one command took."""

    wall_s: float
    processor_s: float
    peak_mb: float
    said: str


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += tree(int(child))
    except OSError:
        pass  # it has ended
    return found


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def measure(db: Path, *arguments: str | Path) -> Measured:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([CXR, "ingest", *map(str, arguments), "--db", str(db)], stderr=said, stdout=said)
        peak = 0
        while process.poll() is None:
            peak = max(peak, sum(map(resident, tree(process.pid))))
            time.sleep(0.1)
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        said.seek(0)
        lines = said.read().strip().splitlines()
    assert process.returncode in {0, 4}, lines
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sentence = next((line for line in reversed(lines) if line.startswith(("mimic-cxr", "ms-cxr-t"))), lines[-1])
    return Measured(wall, processor, peak / 1e6, sentence)


def corpus(folder: Path, size: int) -> Path:
    made = folder / f"mimic-like-{size}"
    if not (made / "mimic-cxr-reports.zip").is_file():
        command = [sys.executable, str(SHARED / "tools/make_mimic_like.py"), str(made), str(size)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return made


def change_one_label(folder: Path, into: Path) -> Path:
    """Return a copy of a corpus (links to its files) in which one study's labels differ in one cell."""
    into.mkdir()
    for file in folder.iterdir():
        (into / file.name).symlink_to(file)
    (into / LABELS).unlink()
    with gzip.open(folder / LABELS, "rt", newline="") as source:
        rows = list(csv.reader(source))
    rows[1000][2] = "" if rows[1000][2] else "1.0"
    with gzip.open(into / LABELS, "wt", newline="", compresslevel=1) as target:
        csv.writer(target).writerows(rows)
    return into


def show(what: str, measured: Measured) -> None:
    print(
        f"  {what:<18} {measured.wall_s:7.2f} s wall {measured.processor_s:7.2f} s processor "
        f"{measured.peak_mb:7.0f} MB peak   {measured.said}"
    )


def benchmark(folder: Path, work: Path, size: int) -> Measured:
    made = corpus(folder, size)
    db = work / f"{size}.duckdb"
    with zipfile.ZipFile(made / "mimic-cxr-reports.zip") as reports:
        print(f"{len(reports.namelist()):,} studies")
    first = measure(db, "mimic-cxr", made)
    show("first", first)
    show("second", measure(db, "mimic-cxr", made))
    show("one changed row", measure(db, "mimic-cxr", change_one_label(made, work / f"changed-{size}")))
    show("MS-CXR-T", measure(db, "ms-cxr-t", made))
    print(f"  the store has {db.stat().st_size / 1e6:,.0f} MB")
    return first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="20000,227835")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    work = Path(tempfile.mkdtemp())
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; wanted: {TARGETS}")
    try:
        firsts = [benchmark(options.keep or work, work, size) for size in sizes]
    finally:
        shutil.rmtree(work)
    if len(sizes) > 1:
        small, large = firsts[0], firsts[-1]
        ratio = sizes[-1] / sizes[0]
        print(
            f"{ratio:.1f} times the studies take {large.wall_s / small.wall_s:.1f} times the wall clock and "
            f"{large.processor_s / small.processor_s:.1f} times the processor time"
        )


if __name__ == "__main__":
    main()
