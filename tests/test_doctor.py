"""`cxr doctor`: what a server takes, found with three tiny requests and no text of a corpus."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.batch_server import BatchingServer
from tests.conftest import Cli
from tests.scripted_server import Act, Fail, Refuse, Say, ScriptedServer

COLOUR = {"word": "blue", "letters": 4}
Request = dict[str, Any]


def looks(request: Request) -> bool:
    return "image_url" in str(request["messages"])


def well(request: Request) -> Act:
    return Say("Red.") if looks(request) else Say(COLOUR)


def reasoning(request: Request) -> Act:
    """A model that reasons, and sees nothing."""
    if "temperature" in request:
        said = {"message": "Unsupported value: 'temperature'", "param": "temperature", "code": "unsupported_value"}
        return Refuse(400, {"error": said})
    return Refuse(400, {"error": {"message": "image_url is not supported"}}) if looks(request) else Say(COLOUR)


def listing(*models: Request) -> tuple[str, str, Callable[[web.Request], Any]]:
    async def models_of(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": list(models)})

    return ("GET", "/v1/models", models_of)


def found(cxr: Cli, server: ScriptedServer, *more: str, code: int = 0) -> dict[str, Any]:
    done = cxr("doctor", "--base-url", server.url, "--model", "scripted", "--format", "json", *more)
    assert done.returncode == code, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["requests"] == server.received <= 3
    assert said["works"] is (code == 0)
    return said


def test_a_server_that_takes_everything(cxr: Cli, tmp_path: Path) -> None:
    server = BatchingServer(well)
    server.extra.append(listing({"id": "other"}, {"id": "scripted", "max_model_len": 32_768}))
    with server:
        said = found(cxr, server, "--price", "1,2")
    assert said["refused"] == []
    assert said["sends"] == {
        "response_format": "json_schema",
        "system role": "system",
        "max_completion_tokens": "max_completion_tokens",
        "temperature": "temperature",
        "seed": "seed",
        "bounds in schemas": "bounds",
    }
    assert (said["context_length"], said["batches"], said["vision"], said["usage"]) == (32_768, True, True, True)
    assert said["models"] == ["other", "scripted"]
    assert said["change"] == []
    # What was paid for is written down, and what was learnt is remembered for the runs to come.
    calls = [json.loads(line) for line in (tmp_path / "cxr.doctor.calls.jsonl").read_text().splitlines()]
    assert [call["stage"] for call in calls] == ["probe", "probe"]
    assert all(call["cost_usd"] > 0 for call in calls)
    assert (tmp_path / "cxr.replies" / "capabilities.json").exists()
    assert not any(path.name.endswith(".calls.open") for path in tmp_path.iterdir())


def test_the_table_says_what_is_taken_and_what_is_sent(cxr: Cli) -> None:
    with ScriptedServer(reasoning) as server:
        done = cxr("doctor", "--base-url", server.url, "--model", "scripted")
        assert server.received == 3
    assert done.returncode == 0, done.stderr
    rows = {line.split("│")[1].strip(): line for line in done.stdout.splitlines() if "│" in line}
    assert "not temperature │ nothing" in " ".join(rows["temperature"].split())
    assert "json_schema" in rows["response_format"]
    assert " no " in rows["vision"]
    assert "3 tiny requests" in done.stderr


def test_a_run_after_the_doctor_sends_what_was_found(cxr: Cli, db: Path, ingested: Path) -> None:
    shutil.copy(ingested, db)
    assert cxr("ask", "--balance", "none").returncode == 0
    with ScriptedServer(reasoning) as server:
        found(cxr, server)
        before = server.received
        cxr("mine", "--engine", "llm", "--model", "scripted", "--base-url", server.url, "--limit", "1")
        assert all("temperature" not in request for request in server.requests[before:])
        assert server.received > before


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (
            Refuse(400, {"error": {"message": "Chat is switched off"}}),
            "every request was refused (Chat is switched off)",
        ),
        (Fail(401), "check OPENAI_API_KEY"),
        (Fail(503), "every request was refused"),
    ],
    ids=["refused", "key", "down"],
)
def test_where_nothing_works_the_exit_code_says_so(cxr: Cli, act: Act, sentence: str) -> None:
    with ScriptedServer(lambda _: act) as server:
        assert sentence in found(cxr, server, code=1)["failure"]


def test_a_model_that_is_not_there_and_a_short_context_are_named(cxr: Cli) -> None:
    for model, sentence in (
        ({"id": "scripted-7b"}, "lists no model 'scripted' but scripted-7b; did you mean 'scripted-7b'?"),
        ({"id": "scripted", "meta": {"n_ctx": 4096}}, "a context of 4,096 tokens is short"),
    ):
        server = ScriptedServer(well)
        server.extra = [listing(model)]
        with server:
            (change,) = found(cxr, server)["change"]
        assert sentence in change


def test_nobody_is_asked_where_the_key_would_be_read_or_no_model_is_named(cxr: Cli) -> None:
    in_clear = cxr("doctor", "--base-url", "http://192.0.2.1:9/v1", "--model", "m", OPENAI_API_KEY="sk-secret")
    assert (in_clear.returncode, "the key would go to 192.0.2.1 unencrypted" in in_clear.stderr) == (1, True)
    unnamed = cxr("doctor", "--base-url", "http://127.0.0.1:9/v1")
    assert (unnamed.returncode, "give --model" in unnamed.stderr) == (2, True)
    nobody = cxr("doctor", "--base-url", "http://127.0.0.1:9/v1", "--model", "m")
    assert (nobody.returncode, "no server can be reached" in nobody.stderr) == (1, True)
