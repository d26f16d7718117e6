"""Whatever bytes a model server sends: no traceback, no text in an error, an end, and all that was paid for is kept."""

import itertools
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.chaos.foul_server import FAIR, WEATHERS, FoulServer, Weather, raw
from tests.conftest import Cli
from tests.forked import CXR
from tests.fuzz.seeds import MARK
from tests.scripted_server import ScriptedServer, schema_name
from tests.synthetic import REPLIES, write_store

LLM = ("mine", "--engine", "llm", "--model", "scripted", "--price", "1,1")
FOUL = [kind for kind in WEATHERS if kind != FAIR]
TIMEOUT_S, BOUND_S = 3, 60.0
PATIENT = {"CXR_MINE_TIMEOUT_S": str(TIMEOUT_S), "CXR_MINE_MAX_TRIES": "1", "CXR_MINE_MAX_FAILURES_IN_ROW": "999"}
MOST_MEMORY = 600_000_000
"""Bytes of a run that sixteen bombs at once go off in, 2 GB each; in fair weather it takes half of that."""


def calls(db: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(db), read_only=True) as store:
        return store.execute("select request_hash, error, cost_usd from calls where not cache_hit").fetchall()


def words_on_record(db: Path) -> str:
    with duckdb.connect(str(db), read_only=True) as store:
        return str(store.execute("select message from rejects union all select error from calls").fetchall())


def test_every_kind_of_weather_is_an_error_on_record_and_the_next_run_pays_for_nothing_twice(
    db: Path, cxr: Cli
) -> None:
    write_store(db, len(FOUL) + 10)
    kinds = itertools.cycle(FOUL)
    # Plans come in fair weather, so that each question has something to lose.
    with FoulServer(lambda asked: next(kinds) if schema_name(asked) == "EvidenceReply" else FAIR) as server:
        began = time.monotonic()
        # Each kind is to be met, however many of the first ones are paid for nothing.
        done = cxr(*LLM, "--base-url", server.url, **PATIENT, CXR_MINE_MAX_USELESS_CALLS="none")
        assert time.monotonic() - began < BOUND_S
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    said = done.stderr + words_on_record(db)
    assert MARK not in said
    assert "Lead marker" not in said
    assert set(FOUL) <= set(server.met.values())
    late = f"no whole reply in {TIMEOUT_S} s"
    for request, error, cost in calls(db):
        kind = server.met.get(request)
        if kind is None:  # it went onto a connection that the server was just closing
            assert error == late or "broken" in error
        elif error != late:  # on a busy machine anything may be
            expected = WEATHERS[kind].error
            assert error is None if expected is None else expected in str(error), (kind, error)
        assert (cost is None) == (error is not None and not error.startswith("HTTP")), (error, cost)
    paid = {request for request, error, _ in calls(db) if error is None}
    assert len(paid) > len(FOUL)
    with FoulServer(lambda _: FAIR) as again:
        done = cxr(*LLM, "--base-url", again.url)
    assert done.returncode == 4, done.stderr  # some replies do not fit their reports, in any weather
    assert "model_call_failed" not in done.stderr
    assert not paid & again.met.keys()


@pytest.mark.parametrize("kind", ["gzip bomb", "binary", "nested 100,000 deep", "closed in the headers"])
def test_a_server_that_never_answers_well_ends_the_run_and_a_healthy_one_goes_on(db: Path, cxr: Cli, kind: str) -> None:
    write_store(db, 12)
    with FoulServer(lambda _: kind) as server:
        done = cxr(*LLM, "--base-url", server.url, CXR_MINE_TIMEOUT_S=str(TIMEOUT_S), CXR_MINE_MAX_TRIES="2")
    assert done.returncode == 1
    assert "questions in a row" in done.stderr.splitlines()[-1]
    with ScriptedServer(REPLIES) as healthy:
        assert cxr(*LLM, "--base-url", healthy.url).returncode == 4
    with duckdb.connect(str(db), read_only=True) as store:
        assert store.execute("select count(*) from chains").fetchall() == [(10,)]


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirect_is_not_followed_anywhere(db: Path, cxr: Cli, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    write_store(db, 2)
    with FoulServer(lambda _: FAIR) as elsewhere, FoulServer(lambda _: "redirect") as server:
        there = f"HTTP/1.1 {status} Moved\r\nlocation: {elsewhere.url}\r\ncontent-length: 0\r\n\r\n"
        monkeypatch.setitem(WEATHERS, "redirect", Weather(raw(there.encode()), ""))
        done = cxr(*LLM, "--base-url", server.url)
        assert done.returncode == 1
        assert "redirects elsewhere, which is never followed" in done.stderr
        assert elsewhere.connections == 0


def test_sixteen_bombs_at_once_take_little_memory(db: Path) -> None:
    write_store(db, 32)
    kinds = itertools.cycle(("gzip bomb", "endless body", "endless chunks"))
    with FoulServer(lambda _: next(kinds)) as server:
        command = [str(CXR), *LLM, "--base-url", server.url, "--db", str(db)]
        most = 0
        with subprocess.Popen(command, env={**os.environ, "CXR_MINE_MAX_TRIES": "1"}) as child:
            while child.poll() is None:
                most = max(most, _most_memory(child.pid))
                time.sleep(0.02)
    assert child.returncode in {1, 4}
    assert 0 < most < MOST_MEMORY


def _most_memory(process: int) -> int:
    """Give the most bytes that a process has had; its own: what it reports when it ends counts its parent's too."""
    said = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    (most,) = re.findall(r"VmHWM:\s+(\d+) kB", said) or ("0",)
    return int(most) * 1024
