"""Measure mining with a language model against a scripted server on this machine.

    python benchmarks/mining.py [clients] [latency] [memory] [kill]     # all of them without arguments

clients  calls a second on one core at zero latency: instructor as it comes, openai's create, and our client, which
         validates each reply medically; the server has a core of its own
latency  calls a second through `cxr mine` at 500 ms latency and 64 in flight (ideal: 128)
memory   peak memory of `cxr mine` at 20,000 questions, and its rows a second with store, cache and ledger
kill     300 questions, SIGKILL at 20 random moments
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import instructor
import openai

from benchmarks.kit import cxr, sql
from cxr.miner.llm import budget, cache, ledger, wire
from cxr.miner.llm.client import Client
from cxr.miner.llm.typed import typed
from cxr.miner.mine.engines.llm import LLMEngine
from cxr.miner.mine.settings import MineSettings
from cxr.prompts import EvidenceReply, load
from cxr.schemas import Licence, Plan, PlanItem, Question, Report, Task
from tests.forked import run_script
from tests.scripted_server import ScriptedServer
from tests.synthetic import REPLIES, report_text, write_store
from tests.test_kill import kill_and_restart

CALLS = 3000
IN_FLIGHT = 64
Ask = Callable[[int], Awaitable[object]]


def serve(latency_s: float) -> None:
    """Serve until killed, on the second core; print the address first."""
    _pin(1)
    with ScriptedServer(REPLIES, latency_s, keep_requests=False) as server:
        print(server.url, flush=True)
        time.sleep(3600)


def _pin(core: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


@contextlib.contextmanager
def serving(latency_s: float) -> Iterator[str]:
    """Give the address of the scripted server, in a process of its own."""
    command = [sys.executable, __file__, "serve", str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


async def _many(ask: Ask) -> tuple[float, float]:
    """Return calls a second with IN_FLIGHT at once: by the clock, and by the processor time that the client got."""
    numbers = iter(range(CALLS))

    async def worker() -> None:
        for number in numbers:
            await ask(number)

    await asyncio.gather(*(ask(-1 - number) for number in range(IN_FLIGHT)))
    started, worked = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return CALLS / (time.perf_counter() - started), CALLS / (time.process_time() - worked)


async def _instructor(url: str) -> tuple[float, float]:
    plain = openai.AsyncOpenAI(base_url=url, api_key="none")
    client = instructor.from_openai(plain, mode=instructor.Mode.JSON_SCHEMA)
    ask = client.chat.completions.create
    return await _many(
        lambda number: ask(model="m", messages=_messages(number), response_model=EvidenceReply, max_retries=2)
    )


async def _openai(url: str) -> tuple[float, float]:
    ask: Callable[..., Awaitable[object]] = openai.AsyncOpenAI(base_url=url, api_key="none").chat.completions.create
    form = typed(EvidenceReply, "json_schema").request
    return await _many(lambda number: ask(model="m", messages=_messages(number), **form))


async def _ours(url: str) -> tuple[float, float]:
    settings = MineSettings(model="m", base_url=url, concurrency=IN_FLIGHT)
    plan = Plan(items=(PlanItem(finding="Pleural Effusion", look_for="Blunted angles."),))
    with (
        tempfile.TemporaryDirectory() as folder,
        cache.ReplyCache(Path(folder) / "cache") as kept,
        ledger.Ledger(Path(folder) / "attempts") as attempts,
    ):
        line, spending = wire.Wire(settings, None), budget.Budget(settings, None, budget.Spent())
        engine = LLMEngine(settings, Client(settings, line, kept, spending, attempts, {"run_id": "r"}))

        def ask(number: int) -> Awaitable[object]:
            question, report = _question(number)
            return engine.evidence(question, plan, report)

        async with line:
            return await _many(ask)


_CLIENTS = {"instructor": _instructor, "openai": _openai, "ours": _ours}


def _question(number: int) -> tuple[Question, Report]:
    # Report 1 speaks of an effusion; the marker makes each request another one.
    report = Report(study_id=f"s{number}", text=report_text(1) + f" {number}.", licence=Licence.PUBLIC)
    findings, text = ("Pleural Effusion",), "Does this chest X-ray show pleural effusion?"
    about = {"task": Task.BINARY, "text": text, "findings": findings, "answer": "Yes", "answer_findings": findings}
    return Question(question_id=f"q{number}", study_id=f"s{number}", **about), report


def _messages(number: int) -> Any:
    question, report = _question(number)
    prompt = load("evidence")
    return prompt.messages(prompt.values(question, report.text))


def measure(kind: str, url: str) -> tuple[float, float]:
    """Measure one client, on the first core."""
    _pin(0)
    return asyncio.run(_CLIENTS[kind](url))


def clients() -> None:
    print(f"\nclients: {CALLS:,} evidence calls, {IN_FLIGHT} in flight, zero latency, one core for the client")
    for kind in _CLIENTS:
        with serving(0.0) as url, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            by_clock, by_processor = alone.submit(measure, kind, url).result()
        told = f"{by_clock:>6.0f} calls/s by the clock, {by_processor:>6.0f} a second of processor time"
        print(f"  {kind:<12}{told}", flush=True)


def job(questions: int, latency_s: float) -> dict[str, float]:
    """Run `cxr mine`; give seconds of asking and of work, steady calls a second, peak MB, live calls, rows."""
    with tempfile.TemporaryDirectory() as name, serving(latency_s) as url:
        folder, cores = Path(name), os.sched_getaffinity(0)
        write_store(folder / "cxr.duckdb", questions)
        if not latency_s:
            _pin(0)
        where = ("--engine", "llm", "--model", "m", "--base-url", url, "--concurrency", IN_FLIGHT)
        took = cxr(folder, "mine", *where)
        os.sched_setaffinity(0, cores)
        (counted,) = sql(
            folder,
            "select epoch(max(called_at)) - epoch(min(called_at)) + min(latency_s) as seconds, "
            "0.9 * count(*) / (quantile_cont(epoch(called_at), 0.95) - quantile_cont(epoch(called_at), 0.05)) "
            "as steady, count(*) as calls, (select count(*) from chains) + (select count(*) from rejects) as ended "
            "from calls where not cache_hit",
        )
        return {**counted, "worked": took.processor_s, "peak": took.peak_mb}


def latency() -> None:
    told, ideal = job(2000, 0.5), IN_FLIGHT / 0.5
    print(
        f"\nlatency: {told['calls']:,} calls for {told['ended']:,} questions at 500 ms, {IN_FLIGHT} in flight: "
        f"{told['calls'] / told['seconds']:.1f} calls/s in all, {told['steady']:.1f} between the first and the last "
        f"twentieth: {told['steady'] / ideal:.1%} of the ideal {ideal:.0f}",
        flush=True,
    )


def memory() -> None:
    told = job(20_000, 0.0)
    calls, seconds = told["calls"], told["seconds"]
    print(
        f"\nmemory: {told['ended']:,} questions, {calls:,} calls in {seconds:.0f} s on one core, store and cache "
        f"included: {calls / seconds:.0f} typed and validated replies a second by the clock, "
        f"{calls / told['worked']:.0f} a second of processor time; peak {told['peak']:.0f} MB",
        flush=True,
    )


def kill() -> None:
    def cxr_in(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return run_script(arguments, folder, os.environ)

    with tempfile.TemporaryDirectory() as name:
        counted = kill_and_restart(cxr_in, Path(name), questions=300, kills=20, concurrency=16, latency_s=0.05, seed=0)
    print(f"\nkill: the same rows as an undisturbed run; {counted}", flush=True)


def main() -> None:
    measured = {"clients": clients, "latency": latency, "memory": memory, "kill": kill}
    for name in sys.argv[1:] or measured:
        measured[name]()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(float(sys.argv[2]))
    else:
        main()
