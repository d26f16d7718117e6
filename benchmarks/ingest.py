"""Print how fast and how lean the ingest of a MIMIC-shaped corpus is, at two sizes.

    python benchmarks/ingest.py                        # 20,000 and 227,835 studies, written into a temporary folder
    python benchmarks/ingest.py --keep FOLDER          # keep the corpora there, and use them the next time
    python benchmarks/ingest.py --sizes 2000,20000

The corpora come from ../shared/tools/make_mimic_like.py, beside the repository. Memory is the resident memory of the
whole process tree, sampled ten times a second. A machine that does other work shows in the wall clock, not in the
processor time.
"""

import csv
import gzip
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from benchmarks.kit import SHARED, Took, cxr, parser

LABELS = "mimic-cxr-2.0.0-chexpert.csv.gz"
TARGETS = {"first": "30 s, 1,000 MB", "second": "5 s", "one changed row": "that row alone"}


def measure(what: str, db: Path, corpus: str, folder: Path) -> Took:
    """Ingest, print what it took, and return it."""
    took = cxr(db.parent, "ingest", corpus, folder, "--db", db, family="Rss")
    lines = (took.err + took.out).strip().splitlines()
    said = next((line for line in reversed(lines) if line.startswith(("mimic-cxr", "ms-cxr-t"))), lines[-1])
    times = f"{took.wall_s:7.2f} s wall {took.processor_s:7.2f} s processor"
    peak = took.peak_mb * 1.024**2  # in millions of bytes, as the target
    print(f"  {what:<18} {times} {peak:7.0f} MB peak   {said}")
    return took


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


def benchmark(folder: Path, work: Path, size: int) -> Took:
    made, db = corpus(folder, size).resolve(), work / f"{size}.duckdb"
    with zipfile.ZipFile(made / "mimic-cxr-reports.zip") as reports:
        print(f"{len(reports.namelist()):,} studies")
    first = measure("first", db, "mimic-cxr", made)
    measure("second", db, "mimic-cxr", made)
    measure("one changed row", db, "mimic-cxr", change_one_label(made, work / f"changed-{size}"))
    measure("MS-CXR-T", db, "ms-cxr-t", made)
    print(f"  the store has {db.stat().st_size / 1e6:,.0f} MB")
    return first


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--sizes", default="20000,227835")
    options.add_argument("--keep", type=Path)
    given = options.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; wanted: {TARGETS}")
    with tempfile.TemporaryDirectory() as work:
        firsts = [benchmark(given.keep or Path(work), Path(work), size) for size in sizes]
    if len(sizes) > 1:
        small, large = firsts[0], firsts[-1]
        print(
            f"{sizes[-1] / sizes[0]:.1f} times the studies take {large.wall_s / small.wall_s:.1f} times the wall clock "
            f"and {large.processor_s / small.processor_s:.1f} times the processor time"
        )


if __name__ == "__main__":
    main()
