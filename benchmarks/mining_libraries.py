"""Mine the same rows with cxr, Curator, instructor and openai, side by side, against one scripted server.

    python benchmarks/mining_libraries.py [--rows 2000] [--only LIBRARY ...]

Each library runs in an environment of its own, made with pip under .libraries (once; Curator's takes 0.6 GB). One row
is one typed call, the request that `cxr mine --calls 1` sends; 64 are in flight, the client has one core and the server
another. Printed is a Markdown table:

rows a second   between the first and the last twentieth of the requests, at zero and at 200 ms latency (ideal: 320),
                by the clock and by the processor time that the client got
in all          processor seconds of the command from start to end, at 200 ms
memory          the most that the process and all below it had (RSS), at 200 ms
lost            stopped by a signal at random moments, run again to the end: replies that the server gave and that were
                asked again, for each stop (SIGTERM is what a cluster's scheduler sends first)
one more row    requests of rows that had a reply, sent again when a row is added to a run that has ended
"""

import hashlib
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from benchmarks.kit import CXR, Took, environment, family_seconds, markdown, parser, records, run, sql
from benchmarks.others import IN_FLIGHT, MODEL
from tests.scripted_server import Act, Say, ScriptedServer
from tests.synthetic import CHAIN, EVIDENCE, PLAN, write_store

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "curator": ("bespokelabs-curator==0.1.31",),
    "instructor": ("instructor==1.17.0",),
    "openai": ("openai==3.57.0",),
}
# Nothing that these libraries fetch or report on their own; no measurement of ours is.
QUIET = {
    "TELEMETRY_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
}
LATENCY_S = 0.2
STOPS = (signal.SIGKILL, signal.SIGTERM)
TIMES = 2
CORES = sorted(os.sched_getaffinity(0))


class Counting(ScriptedServer):
    """Gives every row a reply that ends it, and counts what it was paid for by the row that was asked."""

    def __init__(self) -> None:
        super().__init__(_reply, keep_requests=False)
        self.kept: list[dict[str, Any]] | None = None
        self.begin(0)

    def begin(self, rows: int) -> None:
        """Forget what was counted; so many rows are to come."""
        self.marks = (rows // 20, rows - 1 - rows // 20)
        self.came: list[tuple[float, float]] = []
        self.answered: Counter[str] = Counter()
        self.probes = 0

    @property
    def again(self) -> int:
        """Replies that had been given before."""
        return sum(self.answered.values()) - len(self.answered)

    async def complete(self, http: web.Request) -> web.StreamResponse:
        """Count a request, then answer it."""
        request = json.loads(await http.read())
        if "REPORT" not in json.dumps(request["messages"]):
            self.probes += 1
        else:
            self.came.append((time.perf_counter(), family_seconds() if len(self.came) in self.marks else 0.0))
            row = json.dumps(request["messages"][-1], sort_keys=True)
            self.answered[hashlib.sha256(row.encode()).hexdigest()] += 1
            if self.kept is not None:
                self.kept.append(request)
        return await super().complete(http)


def _reply(request: dict[str, Any]) -> Act:
    """Return a reply that is taken, or one that contradicts the answer, which is not asked again."""
    if "REPORT" not in json.dumps(request["messages"]):
        return Say({"name": "Jason", "age": 25})  # what Curator asks before it asks anything
    asked = str(request["messages"][-1]["content"])
    evidence: dict[str, Any] = dict(EVIDENCE["items"][0])
    if "There is no pleural effusion" in asked:
        statement = {"statement": "There is no pleural effusion.", "quotes": ["There is no pleural effusion"]}
        evidence |= {"presence": "absent", **statement}
    elif "small left pleural effusion" not in asked:
        evidence |= {"kind": "inferred_normal", "presence": "absent", "statement": "No effusion is seen.", "quotes": []}
    return Say({"plan": PLAN, "evidence": {"items": [evidence]}, "chain": CHAIN})


class Library(NamedTuple):
    """How the rows are mined with one library."""

    name: str
    python: Path | None
    folder: Path
    rows: list[dict[str, Any]]

    def prepare(self, rows: int) -> None:
        """Make a folder in which nothing has run, with so many rows and one more."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if self.python is None:
            write_store(self.folder / "cxr.duckdb", rows + 1)

    def command(self, url: str, rows: int) -> list[object]:
        """Return the command that mines so many rows and goes on where it was."""
        if self.python is None:
            where = ("--engine", "llm", "--model", MODEL, "--base-url", url, "--concurrency", IN_FLIGHT)
            ended = sum(row["n"] for row in sql(self.folder, _ENDED))
            return [CXR, "mine", *where, "--calls", 1, *(("--limit", rows - ended) if rows > ended else ())]
        (self.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in self.rows[:rows]))
        return [self.python, ROOT / "benchmarks" / "others.py", self.name, "rows.jsonl", url, self.folder / "out.jsonl"]

    def mine(self, url: str, rows: int) -> Took:
        """Mine so many rows to the end and measure it."""
        return run(self.folder, *self.command(url, rows), family="Rss", PYTHONPATH=str(ROOT), **QUIET)

    def stopped(self, server: Counting, rows: int, after: int, by: signal.Signals) -> None:
        """Start mining and stop it after so many requests."""
        log = (self.folder / "stopped.log").open("ab")
        before, env = len(server.came), {**os.environ, "PYTHONPATH": str(ROOT), **QUIET}
        words = list(map(str, self.command(server.url, rows)))
        with log, subprocess.Popen(words, cwd=self.folder, stdout=log, stderr=log, env=env, process_group=0) as process:
            while process.poll() is None and len(server.came) < before + after:
                time.sleep(0.001)
            os.killpg(process.pid, by)

    def ended(self) -> int:
        """Return the rows that are there at the end."""
        if self.python is None:
            return int(sum(row["n"] for row in sql(self.folder, _ENDED)))
        return len(records(self.folder / "out.jsonl"))


_ENDED = "select count(*) as n from chains union all select count(*) from rejects where stage = 'mine'"


def pin(core: int) -> None:
    """Keep the calling thread, and what it starts from now on, on one core."""
    os.sched_setaffinity(0, {CORES[core % len(CORES)]})


def steady(server: Counting) -> tuple[float, float]:
    """Return requests a second between the first and the last twentieth: by the clock, and of processor time."""
    first, last = server.marks
    clock, worked = (server.came[last][what] - server.came[first][what] for what in (0, 1))
    return (last - first) / clock, (last - first) / worked


def measured(library: Library, server: Counting, rows: int) -> dict[str, float]:
    """Return everything that the table tells of one library."""
    told: dict[str, float] = {}
    for name, latency in (("fast", 0.0), ("slow", LATENCY_S)):
        library.prepare(rows)
        server.begin(rows)
        server.latency_s = latency
        took = library.mine(server.url, rows)
        assert library.ended() == rows, (library.name, library.ended())
        told[name], told[f"{name}_worked"] = steady(server)
        told |= {f"{name}_s": took.wall_s, f"{name}_processor_s": took.processor_s}
        told |= {"peak": took.peak_mb, "probes": server.probes}
    before = server.again
    library.mine(server.url, rows + 1)
    told["grown"] = server.again - before
    for by in STOPS:
        told[by.name] = lost(library, server, rows, by)
    return told


def lost(library: Library, server: Counting, rows: int, by: signal.Signals) -> float:
    """Return how many replies that the server gave were asked again for each time that a run was stopped."""
    library.prepare(rows)
    server.begin(0)
    chance = random.Random(0)  # noqa: S311 - moments, no secrets
    for _ in range(TIMES):
        library.stopped(server, rows, chance.randint(rows // 8, rows // 3), by)
    library.mine(server.url, rows)
    assert library.ended() == rows, (library.name, library.ended())
    return server.again / TIMES


def rehearsed(server: Counting, folder: Path, rows: int) -> list[dict[str, Any]]:
    """Return the messages of every row as `cxr mine` sends them, in its order."""
    ours = Library("ours", None, folder, [])
    ours.prepare(rows)
    server.kept = []
    ours.mine(server.url, rows + 1)
    kept, server.kept = server.kept, None
    return [{"id": number, "messages": request["messages"]} for number, request in enumerate(kept)]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=2000)
    options.add_argument("--only", nargs="*", default=["ours", *PACKAGES])
    asked = options.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # connections that a kill cuts
    print(f"{asked.rows:,} rows, {IN_FLIGHT} in flight, one core for the client", flush=True)
    kept = ROOT / ".libraries"
    pythons = {name: environment(kept / name, *PACKAGES[name]) for name in asked.only if name in PACKAGES}
    table = []
    pin(1)  # the server's thread stays there
    with tempfile.TemporaryDirectory() as name, Counting() as server:
        pin(0)
        rows = rehearsed(server, Path(name) / "rehearsal", asked.rows)
        assert len(rows) == asked.rows + 1, len(rows)
        for library in asked.only:
            told = measured(Library(library, pythons.get(library), Path(name) / library, rows), server, asked.rows)
            print(library, {key: round(value, 1) for key, value in told.items()}, flush=True)
            table.append(_line(library, told))
    print(markdown(_COLUMNS, table))


_COLUMNS = (
    "",
    "rows a second at 0 ms",
    "a second of processor time",
    f"at {LATENCY_S * 1000:.0f} ms (ideal {IN_FLIGHT / LATENCY_S:.0f})",
    "processor seconds in all",
    "memory",
    *(f"paid calls lost to {by.name}" for by in STOPS),
    "asked again for one more row",
)


def _line(name: str, told: dict[str, float]) -> list[str]:
    numbers = (told[key] for key in ("fast", "fast_worked", "slow", "slow_processor_s"))
    return [
        name,
        *(f"{number:,.0f}" for number in numbers),
        f"{told['peak']:,.0f} MB",
        *(f"{told[by.name]:,.0f}" for by in STOPS),
        f"{told['grown']:,.0f}",
    ]


if __name__ == "__main__":
    main()
