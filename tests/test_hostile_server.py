"""Numbers of a server that is broken or hostile: no hot loop, no cost below nothing, no error now or later."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.miner.kit.errors import EngineStopped
from cxr.miner.llm.asked import Asked
from cxr.miner.llm.books import FileBooks
from cxr.miner.llm.budget import Budget, Spent
from cxr.miner.llm.cache import ReplyCache
from cxr.miner.llm.client import Client
from cxr.miner.llm.ledger import recover
from cxr.miner.llm.numbers import count, duration_s, number, retry_after_s, usage
from cxr.miner.llm.pace import Pace
from cxr.miner.llm.store_books import ledger_path
from cxr.miner.llm.wire import Wire, WireReply
from cxr.miner.mine.settings import MineSettings
from cxr.prompts import load
from cxr.schemas.call import MOST_TOKENS
from cxr.schemas.vocabulary import Licence
from tests.clocks import seconds_asked_for
from tests.conftest import Cli
from tests.scripted_server import Act, Raw, Say, ScriptedServer, completion, schema_name
from tests.synthetic import CHAIN, EVIDENCE, PLAN, write_store

GOOD = {"PlanReply": PLAN, "EvidenceReply": EVIDENCE, "ChainReply": CHAIN}
LLM = ("mine", "--engine", "llm", "--model", "scripted", "--price", "1,1")
FIRST_S = 25.0

# --- waits --------------------------------------------------------------------------------------------------------

WAITS = [
    *("nan", "NaN", "inf", "-inf", "1e400", "-1", "-0", "0", "0.0", "1e-300", "0x10", "soon", "", "9" * 5000, "-" * 40),
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Wed, 21 Oct 99999 07:28:00 GMT",
]
HEADERS: list[dict[str, str]] = [
    {},
    *({"retry-after": said} for said in WAITS),
    *({"retry-after-ms": said} for said in ("nan", "-5", "0", "inf", "9" * 5000)),
    {"retry-after": "0", "x-ratelimit-limit-requests": "nan", "x-ratelimit-limit-tokens": "nan"},
    {"retry-after": "0", "x-ratelimit-limit-requests": "1e300", "x-ratelimit-limit-tokens": "inf"},
    {"retry-after": "0", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "nan"},
]


class Answering:
    """In the place of the wire: what a server would answer, at once."""

    attestations_used: frozenset[str] = frozenset()

    def __init__(self, answer: Callable[[bytes], WireReply]) -> None:
        self._answer = answer
        self.asked: list[tuple[float, bytes]] = []
        """When, in seconds of the loop's clock, and what."""

    def allow(self, licence: Licence, *, stored: bool = False) -> None:
        """Anything may be sent."""

    async def complete(self, body: bytes, licence: Licence, leaving: Callable[[], Any]) -> WireReply:
        await leaving()
        await asyncio.sleep(0.001)
        self.asked.append((time.monotonic(), body))
        return self._answer(body)


def client_of(wire: Answering, cache: ReplyCache) -> Client:
    settings = MineSettings(model="m", base_url="http://127.0.0.1:1/v1")
    return Client(settings, cast("Wire", wire), cache, Budget(settings, None, Spent()))


async def ask(client: Client, number: int) -> None:
    asked = Asked(f"q{number}", load("plan"), Licence.PUBLIC)
    await client._reply({"messages": [{"role": "user", "content": str(number)}]}, asked)


@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: str(headers)[:60])
def test_no_limit_of_a_server_becomes_a_hot_loop(tmp_path: Path, headers: dict[str, str]) -> None:
    wire = Answering(lambda _: WireReply(429, headers, b"{}"))

    async def sixteen() -> None:
        client = client_of(wire, cache)
        ended = await asyncio.gather(*(ask(client, number) for number in range(16)), return_exceptions=True)
        assert any(isinstance(error, EngineStopped) for error in ended)

    with ReplyCache(tmp_path / "replies") as cache:
        assert seconds_asked_for(sixteen) < 2 * 3600
    first = [at for at, _ in wire.asked if at < FIRST_S]
    assert 16 <= len(first) <= 16 * 9
    assert len(wire.asked) <= 16 * 30


def test_a_server_that_answers_others_in_between_is_not_stormed_either(tmp_path: Path) -> None:
    """Each answer says that the server is well; the refused question still waits longer each time."""
    good = completion({"model": "m"}, Say("fine"))

    def answer(body: bytes) -> WireReply:
        if b'"content":"0"' in body:
            return WireReply(429, {"retry-after": "0"}, b"{}")
        return WireReply(200, {}, json.dumps(good).encode())

    wire = Answering(answer)

    async def both() -> None:
        client = client_of(wire, cache)
        refused = asyncio.create_task(ask(client, 0))
        for other in itertools.count(1):
            await ask(client, other)
            await asyncio.sleep(0.1)
            if time.monotonic() > FIRST_S:
                break
        refused.cancel()
        await asyncio.gather(refused, return_exceptions=True)

    with ReplyCache(tmp_path / "replies") as cache:
        seconds_asked_for(both)
    assert 2 <= sum(b'"content":"0"' in body for at, body in wire.asked if at < FIRST_S) <= 9


def test_limits_out_of_range_are_not_learned() -> None:
    for said in ("nan", "inf", "-5", "0", "1e-9", "9" * 400, "ten"):
        pace = Pace(rpm=None, tpm=None, concurrency=8)
        pace.answered({"x-ratelimit-limit-requests": said, "x-ratelimit-limit-tokens": said})
        assert pace.requests_per_s() is None
        assert seconds_asked_for(lambda pace=pace: pace.turn(5000.0)) == 0.0  # type: ignore[misc]


ANYTHING = st.one_of(
    st.text(max_size=60),
    st.floats().map(str),
    st.integers().map(str),
    st.datetimes().map(lambda at: at.strftime("%a, %d %b %Y %H:%M:%S GMT")),
)


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), ANYTHING))
def test_any_wait_is_none_or_in_range(headers: Mapping[str, str]) -> None:
    seconds = retry_after_s(headers)
    assert seconds is None or 0 <= seconds <= 31 * 86400


@given(ANYTHING)
def test_any_reset_is_none_or_in_range(said: str) -> None:
    seconds = duration_s(said)
    assert seconds is None or 0 <= seconds <= 31 * 86400


# --- usage --------------------------------------------------------------------------------------------------------

COUNTS: Sequence[object] = [-1, -(10**30), 10**30, 10**5000, MOST_TOKENS + 1, 1.5, float("nan"), float("inf"), True]
OTHERS: Sequence[object] = ["many", "9" * 5000, [], {}, [[[[1]]]], {"n": 1}, None]


def as_json(value: object) -> str:
    """Write JSON with whole numbers of any length, which Python does not write by itself."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{as_json(held)}" for name, held in value.items()) + "}"
    return "1" + "0" * 5000 if value == 10**5000 else json.dumps(value)


def with_usage(request: dict[str, Any], usage: object) -> Act:
    said = completion(request, Say(GOOD[schema_name(request)]))
    said["usage"] = "HERE"
    return Raw(json.dumps(said).replace('"HERE"', as_json(usage)))


@pytest.mark.parametrize(
    "bad", [*COUNTS, *OTHERS], ids=lambda bad: repr(bad)[:20] if bad != 10**5000 else "5001 digits"
)
def test_absurd_usage_is_unknown_costs_no_second_call_and_breaks_no_run(
    tmp_path: Path, db: Path, cxr: Cli, bad: object
) -> None:
    write_store(db, 1)
    with ScriptedServer(lambda request: with_usage(request, {"prompt_tokens": 5, "completion_tokens": bad})) as server:
        for _ in range(2):
            done = cxr(*LLM, "--base-url", server.url, "--max-usd", "10")
            assert done.returncode == 0, done.stderr
        assert server.received == 3
    with duckdb.connect(str(db), read_only=True) as connection:
        booked = connection.execute("select distinct prompt_tokens, completion_tokens, cost_usd from calls").fetchall()
        assert connection.execute("select count(*) from chains").fetchall() == [(1,)]
    assert booked == [(None, None, None)]


@pytest.mark.parametrize("bad", ["all", -3, [], 7, {"prompt_tokens": 1}])
def test_usage_that_is_none_is_unknown(db: Path, cxr: Cli, bad: object) -> None:
    write_store(db, 1)
    with ScriptedServer(lambda request: with_usage(request, bad)) as server:
        done = cxr(*LLM, "--base-url", server.url)
    assert done.returncode == 0, done.stderr
    assert server.received == 3


def test_cached_tokens_that_cannot_be_are_left_out_and_the_full_price_counts() -> None:
    for cached in (-5, 1e300, 101, "many", None, [1]):
        told = usage({"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": cached}})
        assert told == {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50), st.lists))
def test_any_count_is_none_or_in_range(said: object) -> None:
    read = count(said, MOST_TOKENS)
    assert read is None or 0 <= read <= MOST_TOKENS
    assert (found := number(said, 0, 1)) is None or 0 <= found <= 1


def test_the_books_of_an_older_version_are_read(tmp_path: Path, db: Path, cxr: Cli) -> None:
    """What servers said was booked as it came; neither the ledger nor the list beside an output stops the next run."""
    write_store(db, 2)
    with ScriptedServer(lambda request: with_usage(request, None)) as server:
        assert cxr(*LLM, "--base-url", server.url, "--limit", "1").returncode == 0
        with duckdb.connect(str(db)) as connection:
            connection.execute("update calls set cost_usd = -1e6, prompt_tokens = -5")
        call = {
            "call_id": "old",
            "stage": "plan",
            "question_id": "q1",
            "model": "scripted",
            "prompt_name": "plan",
            "prompt_version": 1,
            "prompt_hash": "h",
            "request_hash": "r",
            "attempt": 1,
            "cache_hit": False,
            "latency_s": 0.1,
            "called_at": "2026-01-01T00:00:00",
        }
        absurd = [
            {"prompt_tokens": -7, "cost_usd": -3.0},
            {"prompt_tokens": 10**30, "cost_usd": 1e300},
            {"cost_usd": float("nan"), "latency_s": float("inf")},
            {"completion_tokens": 1.5},
        ]
        lines = [{"end": {**call, "call_id": f"old{at}", **bad}, "owner": {}} for at, bad in enumerate(absurd)]
        ledger_path(db).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        assert {call.cost_usd for call, _ in recover(ledger_path(db), lambda call: call).attempts} == {None}
        done = cxr(*LLM, "--base-url", server.url, "--max-usd", "1")
    assert done.returncode == 0, done.stderr
    assert "spent" not in done.stderr
    log = FileBooks(tmp_path / "judged.jsonl").log
    log.write_text("".join(json.dumps({**call, **bad}) + "\n" for bad in absurd), encoding="utf-8")
    with FileBooks(tmp_path / "judged.jsonl").account(MineSettings(model="scripted"), "job") as account:
        assert account.spent == Spent(usd=0.0, calls=4, unknown=4)
