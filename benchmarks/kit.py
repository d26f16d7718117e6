"""What the benchmarks share: where the public data lies, `cxr` run and measured, and how results are written.

It imports the standard library alone, because some of them measure what an import costs.
"""

import argparse
import contextlib
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

SHARED = Path(__file__).resolve().parents[2] / "shared"
CXR = Path(sys.executable).with_name("cxr")
Json = dict[str, Any]
_SAMPLED_EVERY_S = {"Rss": 0.1, "Pss": 0.25}


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help is the opening of the script."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


class Took(NamedTuple):
    """What a command took and said; all kinds of time in seconds."""

    code: int
    wall_s: float
    processor_s: float
    peak_mb: float
    out: str
    err: str


def cxr(folder: Path, *arguments: object, family: str = "", **environment: str) -> Took:
    """Run `cxr` in a folder and return what it took; stop where it failed.

    The peak is the resident memory of that process; with a `family`, the most that it and all below it had together:
    "Rss", or "Pss", which counts pages that several share once.
    """
    return run(folder, CXR, *arguments, family=family, **environment)


def run(folder: Path, *words: object, family: str = "", **environment: str) -> Took:
    """Run any command as `cxr` does."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        command, started = list(map(str, words)), time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, env={**os.environ, **environment})
        with _watching(process.pid, family) if family else contextlib.nullcontext([0]) as seen:
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        own = usage.ru_maxrss / (1024 if sys.platform.startswith("linux") else 1024 * 1024)
        said = [(file.seek(0), file.read())[1] for file in (out, err)]
    if process.returncode not in {0, 4}:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {said[1]}")
    peak = max(seen) / 1024 if family else own
    return Took(process.returncode, wall, usage.ru_utime + usage.ru_stime, peak, *said)


def environment(folder: Path, *packages: str, alone: Sequence[str] = ()) -> Path:
    """Return the Python of a virtual environment with these packages, made the first time that it is asked for.

    Those that come `alone` come without what they depend on.
    """
    python, made = folder / "bin" / "python", folder / "installed.txt"
    wanted = "\n".join((*packages, *alone))
    if not made.exists() or made.read_text() != wanted:
        print(f"making {folder.name} with {', '.join((*packages, *alone))}", flush=True)
        venv.create(folder, clear=True, with_pip=True)
        pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
        subprocess.run([*pip, *packages], check=True)
        if alone:
            subprocess.run([*pip, "--no-deps", *alone], check=True)
        made.write_text(wanted)
    return python


@contextlib.contextmanager
def _watching(pid: int, kind: str) -> Iterator[list[int]]:
    """Collect the kilobytes of a family until the block ends."""
    seen, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(_SAMPLED_EVERY_S[kind]):
            seen.append(_memory(pid, kind))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def _memory(pid: int, kind: str) -> int:
    """Return the kilobytes of a process and all below it."""
    total = 0
    with contextlib.suppress(OSError):  # it has ended
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += sum(map(int, re.findall(rf"^{kind}: +(\d+)", rollup, re.MULTILINE)))
        total += sum(_memory(child, kind) for child in _children(pid))
    return total


def family_seconds() -> float:
    """Return the processor seconds of everything below this process that has not ended."""
    return sum(map(_seconds, _children(os.getpid()))) / os.sysconf("SC_CLK_TCK")


def _seconds(pid: int) -> int:
    with contextlib.suppress(OSError):  # it has ended
        user, system, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:]
        return int(user) + int(system) + sum(map(_seconds, _children(pid)))
    return 0


def _children(pid: int) -> list[int]:
    listed = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for line in listed for child in line.split()]


def timed(folder: Path, *arguments: object, family: str = "") -> Took:
    """Run `cxr`, print what it took, and return it."""
    took = cxr(folder, *arguments, family=family)
    line = f"{' '.join(map(str, arguments))[:60]:<62}{took.wall_s:>7.1f} s{took.processor_s:>8.1f} s CPU"
    print(f"{line}{took.peak_mb:>8,.0f} MB", flush=True)
    return took


def sql(folder: Path, query: str) -> list[Json]:
    """Return the rows of a query on the folder's store."""
    return [json.loads(line) for line in cxr(folder, "sql", query, "--format", "json").out.splitlines()]


def records(path: Path) -> list[Json]:
    """Return the records of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def reports(shared: Path) -> dict[str, str]:
    """Return OpenI's reports by the names that its labels use, in the order of the file."""
    with (shared / "data" / "openi" / "indiana_reports.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    return {f"CXR{row['uid']}": f"Findings: {row['findings']} Impression: {row['impression']}" for row in rows}


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table."""
    head, *body = ("| " + " | ".join(cells) + " |" for cells in (columns, *rows))
    return "\n".join([head, "|" + "---|" * len(columns), *body])
