"""The same request is sent once, however many want its reply at once, in one process or in two."""

import asyncio
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import duckdb

from cxr.miner.kit.errors import MiningReject
from cxr.miner.llm.cache import ReplyCache
from cxr.miner.llm.wire import WireReply
from tests.forked import CXR
from tests.scripted_server import Fail, Say, ScriptedServer, completion
from tests.synthetic import REPLIES, write_store
from tests.test_hostile_server import Answering, ask, client_of

LLM = ("mine", "--engine", "llm", "--model", "scripted")


def same_questions(db: Path, count: int) -> Path:
    """Make a store in which every study has the same report and the same question."""
    write_store(db, count)
    with duckdb.connect(str(db)) as connection:
        connection.execute("update reports set text = 'FINDINGS: There is a small left pleural effusion.'")
        connection.execute("update questions set text = 'Does this chest X-ray show pleural effusion?'")
    return db


def run(db: Path, server: ScriptedServer, *more: str) -> "subprocess.Popen[bytes]":
    words = [str(word) for word in (CXR, *LLM, "--base-url", server.url, "--db", db, *more)]
    # In one voice: what is drawn for each question would make them differ.
    return subprocess.Popen(words, stderr=subprocess.DEVNULL, env=os.environ | {"CXR_MINE_STYLES": "brief"})


def test_twelve_equal_questions_in_flight_are_asked_once(db: Path) -> None:
    same_questions(db, 12)
    with ScriptedServer(REPLIES, latency_s=0.2) as server:
        assert run(db, server).wait(timeout=120) == 0
        assert server.received == 3
    with duckdb.connect(str(db), read_only=True) as connection:
        counted = connection.execute("select count(*), count(*) filter (where cache_hit) from calls").fetchall()
        assert connection.execute("select count(*) from chains").fetchall() == [(12,)]
    assert counted == [(36, 33)]


def test_two_processes_that_share_a_cache_send_the_same_request_once(tmp_path: Path) -> None:
    stores = [same_questions(tmp_path / f"{name}.duckdb", 2) for name in ("one", "two")]
    with ScriptedServer(REPLIES, held=True) as server:
        runs = [run(store, server, "--cache", str(tmp_path / "shared")) for store in stores]
        while server.received == 0:
            time.sleep(0.01)
        # The other one has to have come as far before the reply leaves: its claim is refused again and again.
        waiting = [store.with_name(f"{store.name}.progress") for store in stores]
        while not all(path.exists() for path in waiting):
            time.sleep(0.01)
        server.held = False
        assert [one.wait(timeout=120) for one in runs] == [0, 0]
        assert server.received == 3


def test_a_killed_process_claims_nothing(tmp_path: Path, db: Path) -> None:
    same_questions(db, 1)
    with ScriptedServer(REPLIES, held=True) as server:
        first = run(db, server)
        while server.received == 0:
            time.sleep(0.01)
        first.kill()
        first.wait()
        server.held = False
        assert run(db, server).wait(timeout=120) == 0


def test_where_the_first_fails_the_next_one_asks(tmp_path: Path) -> None:
    acts: list[Any] = [Fail(400), Say("fine")]

    def answer(_: bytes) -> WireReply:
        act = acts.pop(0)
        body = completion({"model": "m"}, act) if isinstance(act, Say) else {}
        return WireReply(200 if isinstance(act, Say) else act.status, {}, json.dumps(body).encode())

    wire = Answering(answer)

    async def three() -> list[BaseException | None]:
        client = client_of(wire, cache)
        # One question for all: what is equal is the request.
        return await asyncio.gather(*(ask(client, 7) for _ in range(3)), return_exceptions=True)

    with ReplyCache(tmp_path / "replies") as cache:
        ended = asyncio.run(three())
    assert len(wire.asked) == 2
    assert sum(isinstance(error, MiningReject) for error in ended) == 1
    assert ended.count(None) == 2


def test_a_request_that_is_dropped_lets_the_next_one_ask(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "replies") as cache:
        wire = Answering(lambda _: WireReply(200, {}, b"{}"))

        async def dropped() -> None:
            client = client_of(wire, cache)
            tasks = [asyncio.create_task(ask(client, 7)) for _ in range(2)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            client.stop()
            await asyncio.wait(tasks, timeout=30)
            assert all(task.done() for task in tasks)

        asyncio.run(dropped())
