"""Calls of the llm engine: a server that fails, the cache, the key, the gate for credentialed text, what is noted."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cxr.miner.kit.errors import EngineStopped, MiningReject, PolicyError, SettingsError
from cxr.miner.llm.calls import call_row
from cxr.miner.mine.settings import MineSettings
from cxr.schemas.call import Call
from tests.asking import GOOD, PLAN, QUESTION, REPORT, Asking, engine_on, evidence_reply, mine
from tests.scripted_server import COMPLETION_TOKENS, PROMPT_TOKENS, Act, Fail, HangUp, Say, ScriptedServer

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (Fail(401), "check OPENAI_API_KEY"),
        (Fail(404), "does not know the model 'scripted'"),
        (Fail(400, code="model_not_found"), "does not know the model 'scripted'"),
        (Fail(429, code="insufficient_quota"), "quota"),
        (Fail(307, headers={"location": "http://example.invalid/v1"}), "redirects elsewhere"),
        (Fail(403), "check OPENAI_API_KEY"),
        (Fail(402), "quota"),
    ],
)
def test_a_permanent_error_stops_the_run_at_the_first_request(tmp_path: Path, failure: Fail, sentence: str) -> None:
    calls: list[Call] = []
    with engine_on({"PlanReply": [failure]}, tmp_path, calls) as (engine, server):
        with pytest.raises(EngineStopped, match=sentence):
            engine.plan(QUESTION, REPORT)
        assert len(server.requests) == 1
    assert len(calls) == 1
    assert calls[0].error is not None
    assert str(failure.status) in calls[0].error


@pytest.mark.parametrize("headers", [{}, {"retry-after": "0"}])
def test_nothing_but_429_ends_the_run_when_patience_does(tmp_path: Path, headers: Mapping[str, str]) -> None:
    with engine_on({"PlanReply": [Fail(429, headers=headers)]}, tmp_path, patience_s=0.2) as (engine, server):
        with pytest.raises(EngineStopped, match="nothing but HTTP 429"):
            engine.plan(QUESTION, REPORT)
        assert 1 < len(server.requests) < 20


def test_a_429_is_waited_out_and_counts_as_no_failure_of_the_question(tmp_path: Path) -> None:
    calls: list[Call] = []
    refused = [Fail(429, headers={"retry-after-ms": "20"})] * 6
    with engine_on({"PlanReply": [*refused, Say(PLAN)]}, tmp_path, calls, max_tries=1) as (engine, _):
        assert engine.plan(QUESTION, REPORT)
    assert [call.error for call in calls] == ["HTTP 429 error"] * 6 + [None]


def test_a_server_that_is_not_there_stops_the_run(tmp_path: Path) -> None:
    with ScriptedServer({}) as gone:
        url = gone.url
    with (
        Asking(MineSettings(model="m", base_url=url), tmp_path) as engine,
        pytest.raises(EngineStopped, match="no server can be reached"),
    ):
        engine.plan(QUESTION, REPORT)


def test_a_passing_failure_is_tried_again(tmp_path: Path) -> None:
    calls: list[Call] = []
    with engine_on({"PlanReply": [Fail(503), HangUp(), Say(PLAN)]}, tmp_path, calls) as (engine, _):
        engine.plan(QUESTION, REPORT)
    assert [call.error for call in calls] == ["HTTP 503 error", "connection broken (ServerDisconnectedError)", None]
    assert [call.attempt for call in calls] == [1, 2, 3]


def test_every_reply_comes_from_the_cache_the_second_time_and_costs_nothing(tmp_path: Path) -> None:
    calls: list[Call] = []
    with engine_on({}, tmp_path, calls) as (engine, server):
        first = mine(engine)
        assert mine(engine) == first
        assert len(server.requests) == 3
    assert [call.cache_hit for call in calls] == [False] * 3 + [True] * 3
    assert sum(call.prompt_tokens or 0 for call in calls) == 3 * PROMPT_TOKENS
    assert sum(call.completion_tokens or 0 for call in calls) == 3 * COMPLETION_TOKENS
    assert [call.request_hash for call in calls[:3]] == [call.request_hash for call in calls[3:]]


def test_the_cache_outlives_the_engine_and_re_asks_are_replayed(tmp_path: Path) -> None:
    script = {"EvidenceReply": [Say(evidence_reply("a large effusion")), Say(evidence_reply())]}
    with ScriptedServer({**GOOD, **script}) as server:
        settings = MineSettings(model="scripted", base_url=server.url)
        with Asking(settings, tmp_path) as engine:
            first = mine(engine)
        with Asking(settings, tmp_path) as engine:
            assert mine(engine) == first
        assert len(server.requests) == 4


def test_the_key_comes_from_the_environment_and_is_in_no_cache_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Call] = []
    with ScriptedServer(GOOD) as server:
        settings = MineSettings(model="scripted", base_url=server.url)
        for key in ("sk-one", "sk-two"):
            monkeypatch.setenv("OPENAI_API_KEY", key)
            with Asking(settings, tmp_path, on_call=calls.append) as engine:
                engine.plan(QUESTION, REPORT)
                assert key not in str(engine.settings())
        assert server.keys == ["Bearer sk-one"]
    assert [call.cache_hit for call in calls] == [False, True]


def test_credentialed_text_never_leaves_for_a_server_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    calls: list[Call] = []
    settings = MineSettings(model="m", base_url="https://models.invalid/v1")
    with (
        Asking(settings, tmp_path, on_call=calls.append) as engine,
        pytest.raises(PolicyError, match=r"models\.invalid"),
    ):
        engine.plan(QUESTION, REPORT)
    assert calls == []


def test_a_proxy_is_not_used_for_a_server_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with engine_on({}, tmp_path) as (engine, server):
        engine.plan(QUESTION, REPORT)
        assert len(server.requests) == 1


def test_a_remote_server_needs_a_key(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        Asking(MineSettings(model="m"), tmp_path)


def test_a_server_that_fails_one_question_after_the_other_ends_the_run(tmp_path: Path) -> None:
    with engine_on({"PlanReply": [Fail(400)]}, tmp_path, max_failures_in_row=3) as (engine, server):
        for _ in range(2):
            with pytest.raises(MiningReject):
                engine.plan(QUESTION, REPORT)
        with pytest.raises(EngineStopped, match="3 questions in a row"):
            engine.plan(QUESTION, REPORT)
        assert len(server.requests) == 3


def test_a_reply_in_between_keeps_the_run_alive(tmp_path: Path) -> None:
    acts: list[Act] = [Fail(400), Say(PLAN), Fail(400)]
    with engine_on({"PlanReply": acts}, tmp_path, max_failures_in_row=2) as (engine, _):
        for number, act in enumerate(acts):
            question = QUESTION.model_copy(update={"text": f"{QUESTION.text} ({number})"})
            if isinstance(act, Say):
                engine.plan(question, REPORT)
            else:
                with pytest.raises(MiningReject):
                    engine.plan(question, REPORT)


def test_many_questions_can_be_in_flight_at_once(tmp_path: Path) -> None:
    calls: list[Call] = []
    questions = [
        QUESTION.model_copy(update={"question_id": f"q{n}", "text": f"{QUESTION.text} ({n})"}) for n in range(24)
    ]
    with engine_on({}, tmp_path, calls) as (engine, server):
        made = engine.reason_all(questions, REPORT)
        assert len(server.requests) == 3 * 24
    assert {reasoning.chain.answer for reasoning in made} == {"B"}
    assert sorted({call.question_id for call in calls}) == sorted(question.question_id for question in questions)


def test_calls_become_rows_with_ids_of_their_own(tmp_path: Path) -> None:
    calls: list[Call] = []
    with engine_on({"PlanReply": [Fail(500), Say(PLAN)]}, tmp_path, calls) as (engine, _):
        engine.plan(QUESTION, REPORT)
        engine.plan(QUESTION, REPORT)
    rows = [call_row(call, {"run_id": "run", "settings_hash": "settings"}) for call in calls]
    assert len({row["call_id"] for row in rows}) == 3
    assert [row["cost_usd"] for row in rows] == [0.0, None, 0.0]
    assert [row["error"] for row in rows] == ["HTTP 500 error", None, None]


def test_of_instructor_and_openai_only_what_they_publish_is_used() -> None:
    """What is private to a library may be gone with its next release."""
    for path in (Path(__file__).parent.parent / "miner" / "llm").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            library, *inner = node.module.split(".")
            if library in {"instructor", "openai"}:
                assert not [part for part in inner if part.startswith("_") or part in {"core", "lib"}]
            if library == "instructor":
                assert {name.name for name in node.names} <= set(importlib.import_module(node.module).__all__)


def test_importing_the_engine_loads_no_client_library() -> None:
    code = "import sys, cxr.miner.mine.engines.llm; print([m for m in ('openai', 'instructor') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
