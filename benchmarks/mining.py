"""Measure mining with a language model against a scripted server on this machine.

    python benchmarks/mining.py [clients] [latency] [memory] [kill]     # all of them without arguments

clients  calls a second on one core at zero latency: instructor as it comes, openai's create, and our client, which
         validates each reply medically; the server has a core of its own
latency  calls a second through `cxr mine` at 500 ms latency and 64 in flight (ideal: 128)
memory   peak memory of `cxr mine` at 20,000 questions, and its rows a second with store, cache and ledger
kill     300 questions, SIGKILL at 20 random moments
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.scripted_server import ScriptedServer  # noqa: E402
from tests.synthetic import REPLIES, report_text, write_store  # noqa: E402

CXR = str(Path(sys.executable).with_name("cxr"))
CALLS = 3000
IN_FLIGHT = 64


def serve(latency_s: str) -> None:
    """Serve until killed, on the second core; print the address first."""
    _pin(1)
    with ScriptedServer(REPLIES, float(latency_s), keep_requests=False) as server:
        print(server.url, flush=True)
        time.sleep(3600)


def _pin(core: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


class Server:
    """The scripted server in a process of its own."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s

    def __enter__(self) -> str:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "serve", str(self._latency_s)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


async def _many(ask: Callable[[int], Awaitable[object]]) -> tuple[float, float]:
    """Return calls a second with IN_FLIGHT at once: by the clock, and by the processor time that the client got."""
    numbers = iter(range(CALLS))

    async def worker() -> None:
        for number in numbers:
            await ask(number)

    await asyncio.gather(*(ask(-1 - number) for number in range(IN_FLIGHT)))
    started, worked = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return CALLS / (time.perf_counter() - started), CALLS / (time.process_time() - worked)


def clients(kind: str, url: str) -> None:
    """Measure one client in a process of its own, on the first core."""
    _pin(0)
    by_clock, by_processor = asyncio.run(_CLIENTS[kind](url))
    print(f"{by_clock:>6.0f} calls/s by the clock, {by_processor:>6.0f} a second of processor time")


async def _instructor(url: str) -> tuple[float, float]:
    import instructor  # noqa: PLC0415
    import openai  # noqa: PLC0415

    from cxr.prompts import EvidenceReply  # noqa: PLC0415

    plain = openai.AsyncOpenAI(base_url=url, api_key="none")
    client = instructor.from_openai(plain, mode=instructor.Mode.JSON_SCHEMA)

    async def ask(number: int) -> object:
        return await client.chat.completions.create(
            model="m", messages=_messages(number), response_model=EvidenceReply, max_retries=2
        )

    return await _many(ask)


async def _openai(url: str) -> tuple[float, float]:
    import openai  # noqa: PLC0415

    from cxr.miner.llm.typed import typed  # noqa: PLC0415
    from cxr.prompts import EvidenceReply  # noqa: PLC0415

    client = openai.AsyncOpenAI(base_url=url, api_key="none")
    form = typed(EvidenceReply, "json_schema").request

    async def ask(number: int) -> object:
        made: object = await client.chat.completions.create(model="m", messages=_messages(number), **form)
        return made

    return await _many(ask)


async def _ours(url: str) -> tuple[float, float]:
    from cxr.miner.llm.budget import Budget, Spent  # noqa: PLC0415
    from cxr.miner.llm.cache import ReplyCache  # noqa: PLC0415
    from cxr.miner.llm.client import Client  # noqa: PLC0415
    from cxr.miner.llm.ledger import Ledger  # noqa: PLC0415
    from cxr.miner.llm.wire import Wire  # noqa: PLC0415
    from cxr.miner.mine.engines.llm import LLMEngine  # noqa: PLC0415
    from cxr.miner.mine.settings import MineSettings  # noqa: PLC0415
    from cxr.schemas.reasoning import Plan, PlanItem  # noqa: PLC0415

    settings = MineSettings(model="m", base_url=url, concurrency=IN_FLIGHT)
    plan = Plan(items=(PlanItem(finding="Pleural Effusion", look_for="Blunted angles."),))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ReplyCache(folder / "cache") as cache, Ledger(folder / "attempts") as ledger:
            wire = Wire(settings, None)
            client = Client(settings, wire, cache, Budget(settings, None, Spent()), ledger, {"run_id": "r"})
            engine = LLMEngine(settings, client)
            async with wire:

                async def ask(number: int) -> object:
                    question, report = _question(number)
                    return await engine.evidence(question, plan, report)

                return await _many(ask)


_CLIENTS = {"instructor": _instructor, "openai": _openai, "ours": _ours}


def _question(number: int):  # type: ignore[no-untyped-def]
    from cxr.schemas.question import Question  # noqa: PLC0415
    from cxr.schemas.study import Report  # noqa: PLC0415

    # Report 1 speaks of an effusion; the marker makes each request another one.
    report = Report(study_id=f"s{number}", text=report_text(1) + f" {number}.", licence="public")
    return Question(
        question_id=f"q{number}",
        study_id=f"s{number}",
        task="binary",
        text="Does this chest X-ray show pleural effusion?",
        findings=("Pleural Effusion",),
        answer="Yes",
        answer_findings=("Pleural Effusion",),
    ), report


def _messages(number: int):  # type: ignore[no-untyped-def]
    from cxr.prompts import load  # noqa: PLC0415
    from cxr.prompts.render import stage_values  # noqa: PLC0415

    question, report = _question(number)
    return load("evidence").messages(stage_values("evidence", question, report.text))


def side_by_side() -> None:
    print(f"\nclients: {CALLS:,} evidence calls, {IN_FLIGHT} in flight, zero latency, one core for the client")
    for kind in _CLIENTS:
        with Server(0.0) as url:
            told = subprocess.run(
                [sys.executable, __file__, "clients", kind, url], capture_output=True, text=True, check=True
            )
        print(f"  {kind:<12}{told.stdout.rstrip()}", flush=True)


def job(questions: int, latency_s: float) -> tuple[float, float, float, float, int, int]:
    """Run `cxr mine`; give seconds of asking, steady calls a second, seconds of work, peak MB, live calls, rows."""
    with tempfile.TemporaryDirectory() as name, Server(latency_s) as url:
        db = write_store(Path(name) / "cxr.duckdb", questions)
        command = [CXR, "mine", "--engine", "llm", "--model", "m", "--base-url", url, "--db", str(db)]
        process = subprocess.Popen([*command, "--concurrency", str(IN_FLIGHT)], stderr=subprocess.DEVNULL)
        if not latency_s:
            os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        query = (
            "select epoch(max(called_at)) - epoch(min(called_at)) + min(latency_s), "
            "0.9 * count(*) / (quantile_cont(epoch(called_at), 0.95) - quantile_cont(epoch(called_at), 0.05)), "
            "count(*), "
            "(select count(*) from chains) + (select count(*) from rejects) from calls where not cache_hit"
        )
        with duckdb.connect(str(db), read_only=True) as connection:
            ((seconds, steady, calls, ended),) = connection.execute(query).fetchall()
        worked = usage.ru_utime + usage.ru_stime
        return float(seconds), float(steady), worked, usage.ru_maxrss / 1024, int(calls), int(ended)


def latency() -> None:
    seconds, steady, _, _, calls, rows = job(2000, 0.5)
    ideal = IN_FLIGHT / 0.5
    print(
        f"\nlatency: {calls:,} calls for {rows:,} questions at 500 ms, {IN_FLIGHT} in flight: {calls / seconds:.1f} "
        f"calls/s in all, {steady:.1f} between the first and the last twentieth: {steady / ideal:.1%} of the ideal "
        f"{ideal:.0f}",
        flush=True,
    )


def memory() -> None:
    seconds, _, worked, peak, calls, rows = job(20_000, 0.0)
    print(
        f"\nmemory: {rows:,} questions, {calls:,} calls in {seconds:.0f} s on one core, store and cache included: "
        f"{calls / seconds:.0f} typed and validated replies a second by the clock, {calls / worked:.0f} a second of "
        f"processor time; peak {peak:.0f} MB",
        flush=True,
    )


def kill() -> None:
    from tests.forked import run_script  # noqa: PLC0415
    from tests.test_kill import kill_and_restart  # noqa: PLC0415

    def cxr_in(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return run_script(arguments, folder, os.environ)

    with tempfile.TemporaryDirectory() as name:
        counted = kill_and_restart(cxr_in, Path(name), questions=300, kills=20, concurrency=16, latency_s=0.05, seed=0)
    print(f"\nkill: the same rows as an undisturbed run; {counted}", flush=True)


def main() -> None:
    chosen = sys.argv[1:] or ["clients", "latency", "memory", "kill"]
    for name in chosen:
        {"clients": side_by_side, "latency": latency, "memory": memory, "kill": kill}[name]()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    elif sys.argv[1:2] == ["clients"] and len(sys.argv) == 4:
        clients(sys.argv[2], sys.argv[3])
    else:
        main()
