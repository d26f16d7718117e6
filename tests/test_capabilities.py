"""What a server takes is learnt from its refusals and replies, used at once, and remembered."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cxr.miner.kit.errors import EngineStopped, MiningReject, SettingsError
from cxr.miner.llm.capabilities import Remembered, unknown
from cxr.miner.llm.forms import put
from cxr.miner.mine.batches import collect, mine_in_batches
from cxr.miner.mine.many import mine_llm
from cxr.miner.mine.settings import MineSettings
from cxr.schemas.call import Call
from tests.asking import GOOD, PLAN, QUESTION, REPORT, Asking
from tests.batch_server import BatchingServer
from tests.scripted_server import Act, Raw, Refuse, Say, ScriptedServer, completion, schema_name
from tests.synthetic import REPLIES, write_store

pytestmark = pytest.mark.usefixtures("no_waiting")
Request = dict[str, Any]
COLOUR = {"word": "blue", "letters": 4}
"""What a tiny request is answered with."""


def openai_error(message: str, param: str | None = None, code: str | None = None) -> Refuse:
    return Refuse(400, {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}})


def unless(refusal: Callable[[Request], Act | None]) -> Callable[[Request], Act]:
    """Give a script that refuses what it refuses, and answers everything else with a good plan."""
    return lambda request: refusal(request) or Say(COLOUR if "blue" in str(request["messages"]) else PLAN)


def role(request: Request) -> str:
    return str(request["messages"][0]["role"])


def form(request: Request) -> str:
    return "tools" if "tools" in request else str(request.get("response_format", {}).get("type", "plain"))


def length(request: Request) -> str:
    return ", ".join(name for name in ("max_completion_tokens", "max_tokens") if name in request)


def gpt5(request: Request) -> Act | None:
    if "temperature" in request:
        said = (
            "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) is supported."
        )
        return openai_error(said, "temperature", "unsupported_value")
    if "max_tokens" in request:
        said = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
        return openai_error(said, "max_tokens", "unsupported_parameter")
    return None


def o1_preview(request: Request) -> Act | None:
    if role(request) == "system":
        said = "Unsupported value: 'messages[0].role' does not support 'system' with this model."
        return openai_error(said, "messages[0].role", "unsupported_value")
    if form(request) != "plain":
        name = "tools" if "tools" in request else "response_format"
        return openai_error(f"Unsupported parameter: '{name}' is not supported with this model.", name)
    return gpt5(request)


def extra_forbidden(request: Request, names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted", "input": 1}
        for name in names
        if name in request
    ]


def mistral(request: Request) -> Act | None:
    said = extra_forbidden(request, ("seed", "max_completion_tokens"))
    return (
        Refuse(422, {"object": "error", "message": {"detail": said}, "type": "invalid_request_error"}) if said else None
    )


def older_vllm(request: Request) -> Act | None:
    said = str([{**one, "loc": tuple(one["loc"])} for one in extra_forbidden(request, ("max_completion_tokens",))])
    body = {"object": "error", "message": said, "type": "BadRequestError", "param": None, "code": 400}
    return Refuse(400, body) if "max_completion_tokens" in request else None


def gemini(request: Request) -> Act | None:
    said = 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"description": said}]}]
    error = {"code": 400, "message": said, "status": "INVALID_ARGUMENT", "details": details}
    return Refuse(400, [{"error": error}]) if "seed" in request else None


def deepseek(request: Request) -> Act | None:
    if form(request) == "json_schema":
        return openai_error("This response_format type is unavailable now")
    return openai_error("deepseek-reasoner does not support this tool_choice") if "tools" in request else None


def gemma(request: Request) -> Act | None:
    body = {"object": "error", "message": "System role not supported", "type": "BadRequestError", "code": 400}
    return Refuse(400, body) if role(request) == "system" else None


def a_template_in_a_500(request: Request) -> Act | None:
    said = "Conversation roles must alternate user/assistant/user/assistant/..."
    return Refuse(500, {"error": {"code": 500, "message": said}}) if role(request) == "system" else None


def older_azure(request: Request) -> Act | None:
    said = "response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later"
    return openai_error(said) if form(request) == "json_schema" else None


def lm_studio(request: Request) -> Act | None:
    return Refuse(200, {"error": "'response_format.type' must be 'text'"}) if "response_format" in request else None


def openrouter(request: Request) -> Act | None:
    said = {"message": "No endpoints found that can handle the requested parameters.", "code": 404}
    return Refuse(404, {"error": said}) if "seed" in request else None


def asked_in(folder: Path, server: ScriptedServer, **given: Any) -> tuple[list[Call], Request]:
    """Ask for one plan; give the calls, and the request that was answered."""
    calls: list[Call] = []
    settings = MineSettings(model="scripted", base_url=server.url, **given)
    with Asking(settings, folder, on_call=calls.append) as engine:
        engine.plan(QUESTION, REPORT)
    return calls, server.requests[-1]


@pytest.mark.parametrize(
    ("refusal", "refused", "sent"),
    [
        (gpt5, 1, {"temperature": None, "length": "max_completion_tokens", "form": "json_schema"}),
        (o1_preview, 5, {"role": "user", "temperature": None, "form": "plain"}),
        (mistral, 1, {"seed": None, "length": "max_tokens", "temperature": 0.0}),
        (older_vllm, 1, {"length": "max_tokens", "seed": 0}),
        (gemini, 1, {"seed": None, "temperature": 0.0, "form": "json_schema"}),
        (deepseek, 2, {"form": "json_object", "role": "system"}),
        (gemma, 1, {"role": "user", "form": "json_schema"}),
        (a_template_in_a_500, 1, {"role": "user"}),
        (older_azure, 1, {"form": "tools"}),
        (lm_studio, 1, {"form": "tools"}),
        (openrouter, 4, {"seed": None, "temperature": None, "form": "json_schema", "role": "system"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_a_server_refuses_is_said_otherwise_at_once(
    tmp_path: Path, refusal: Callable[[Request], Act | None], refused: int, sent: Mapping[str, object]
) -> None:
    with ScriptedServer(unless(refusal)) as server:
        calls, answered = asked_in(tmp_path, server)
    found = {**answered, "role": role(answered), "form": form(answered), "length": length(answered)}
    assert {name: found.get(name) for name in sent} == sent
    real = [call for call in calls if call.stage == "plan"]
    assert len(server.requests) == len(calls)
    assert sum(call.error is not None for call in calls) <= refused
    assert len([call for call in calls if call.stage == "probe"]) <= 3
    # Refusals are free, and all forms are one request, by which the reply is found again.
    assert all(call.cost_usd == 0 and call.prompt_tokens == 0 for call in calls if call.error)
    assert len({call.request_hash for call in real}) == 1
    again: list[Call] = []
    with Asking(MineSettings(model="scripted", base_url=server.url), tmp_path, on_call=again.append) as engine:
        engine.plan(QUESTION, REPORT)
    assert [call.cache_hit for call in again] == [True]


@pytest.mark.parametrize("refusal", [o1_preview, deepseek])
def test_a_schema_that_is_not_taken_is_said_in_words(tmp_path: Path, refusal: Callable[[Request], Act | None]) -> None:
    with ScriptedServer(unless(refusal)) as server:
        _, answered = asked_in(tmp_path, server)
    told = answered["messages"][0]["content"]
    assert '"look_for"' in told
    assert "JSON" in told


def test_many_in_flight_learn_once(tmp_path: Path) -> None:
    with ScriptedServer(lambda request: gpt5(request) or GOOD[schema_name(request)][0], latency_s=0.02) as server:
        questions = [QUESTION.model_copy(update={"text": f"{QUESTION.text} ({n})"}) for n in range(24)]
        with Asking(MineSettings(model="scripted", base_url=server.url), tmp_path) as engine:
            engine.reason_all(questions, REPORT)
        assert len(server.requests) == 3 * 24 + 1


def test_a_schema_that_is_ignored_is_noticed_from_the_reply(tmp_path: Path) -> None:
    """Anthropic's compatible endpoint takes response_format and does nothing; tools it honours."""

    def act(request: Request) -> Act:
        fenced = f"Here is the plan:\n```json\n{json.dumps(PLAN)}\n```"
        return Say(PLAN if "tools" in request else fenced)

    with ScriptedServer(act) as server, Asking(MineSettings(model="scripted", base_url=server.url), tmp_path) as engine:
        for number in range(3):
            engine.plan(QUESTION.model_copy(update={"text": f"{QUESTION.text} ({number})"}), REPORT)
    assert [form(request) for request in server.requests] == ["json_schema", "tools", "tools"]


def test_thoughts_before_the_object_are_no_ignored_schema(tmp_path: Path) -> None:
    with (
        ScriptedServer(lambda _: Say(f"<think>So many.</think>\n{json.dumps(PLAN)}")) as server,
        Asking(MineSettings(model="scripted", base_url=server.url), tmp_path) as engine,
    ):
        for number in range(2):
            engine.plan(QUESTION.model_copy(update={"text": f"{QUESTION.text} ({number})"}), REPORT)
    assert [form(request) for request in server.requests] == ["json_schema", "json_schema"]


def test_a_longest_reply_that_is_not_heeded_is_said_under_its_other_name(tmp_path: Path) -> None:
    """Ollama documents max_tokens alone."""

    def act(request: Request) -> Act:
        said = completion(request, Say(PLAN))
        said["usage"]["completion_tokens"] = 9000
        return Raw(json.dumps(said))

    with ScriptedServer(act) as server, Asking(MineSettings(model="scripted", base_url=server.url), tmp_path) as engine:
        for number in range(3):
            engine.plan(QUESTION.model_copy(update={"text": f"{QUESTION.text} ({number})"}), REPORT)
    assert ["max_tokens" in request for request in server.requests] == [False, True, True]


def test_a_name_that_is_not_heeded_is_better_than_one_that_is_refused(tmp_path: Path) -> None:
    def act(request: Request) -> Act:
        said = completion(request, Say(PLAN))
        said["usage"]["completion_tokens"] = 9000
        return gpt5(request) or Raw(json.dumps(said))

    with (
        ScriptedServer(act) as server,
        Asking(MineSettings(model="scripted", base_url=server.url), tmp_path) as engine,
    ):
        for number in range(3):
            engine.plan(QUESTION.model_copy(update={"text": f"{QUESTION.text} ({number})"}), REPORT)
    names = [length(request) for request in server.requests if "temperature" not in request]
    assert names == ["max_completion_tokens", "max_tokens", "max_completion_tokens", "max_completion_tokens"]


# --- what is remembered -------------------------------------------------------------------------------------------


def test_the_next_run_begins_with_what_was_learnt(tmp_path: Path) -> None:
    with ScriptedServer(unless(mistral)) as server:
        asked_in(tmp_path, server)
        assert len(server.requests) == 2
        (tmp_path / "cache.db").unlink()
        asked_in(tmp_path, server)
        assert len(server.requests) == 3
        (tmp_path / "cache.db").unlink()
        _, answered = asked_in(tmp_path, server, probe="again")
        assert len(server.requests) == 5
    assert "max_tokens" in answered
    kept = tmp_path / "capabilities.json"
    assert kept.stat().st_mode & 0o077 == 0
    (known,) = json.loads(kept.read_text())["servers"]
    assert {(one["part"], one["way"]) for one in known["refused"]} == {
        ("seed", "seed"),
        ("max_completion_tokens", "max_completion_tokens"),
    }


def test_what_was_learnt_long_ago_is_learnt_again(tmp_path: Path) -> None:
    settings = MineSettings(model="m", base_url="http://127.0.0.1:1/v1/")
    remembered = Remembered(tmp_path)
    day = datetime.now(UTC).date()
    for days, found in ((29, True), (31, False)):
        remembered.keep(unknown(settings).model_copy(update={"found_on": day - timedelta(days=days)}))
        assert (remembered.of(settings) is not None) is found
    assert remembered.of(settings.model_copy(update={"model": "another"})) is None


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"servers": [{"model": 1}]}', b"[" * 100_000])
def test_a_file_that_cannot_be_read_is_made_anew_with_a_sentence(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "capabilities.json").write_bytes(content)
    with ScriptedServer(unless(gemini)) as server:
        asked_in(tmp_path, server)
    assert "does not say what servers take; it is made anew" in " ".join(capsys.readouterr().err.split())
    assert json.loads((tmp_path / "capabilities.json").read_text())["servers"][0]["model"] == "scripted"


def test_a_server_that_changes_its_mind_is_followed(tmp_path: Path) -> None:
    with ScriptedServer(unless(mistral)) as server:
        asked_in(tmp_path, server)
        (tmp_path / "cache.db").unlink()
        server.script = unless(gpt5)
        _, answered = asked_in(tmp_path, server)
    assert length(answered) == "max_completion_tokens"
    assert "temperature" not in answered


def test_a_server_that_refuses_both_names_in_turn_is_not_asked_for_ever(tmp_path: Path) -> None:
    def either(request: Request) -> Act | None:
        name = next((name for name in ("max_completion_tokens", "max_tokens") if name in request), None)
        return openai_error(f"Unsupported parameter: '{name}'", name) if name else openai_error("Say max_tokens", "x")

    with ScriptedServer(unless(either)) as server:
        with pytest.raises((EngineStopped, MiningReject)):
            asked_in(tmp_path, server)
        assert len(server.requests) <= 6


# --- what the user has set ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "refusal", "sentence"),
    [
        ({"temperature": 0.7}, gpt5, 'temperature = 0.7 .*set temperature = "none"'),
        ({"sampling_seed": 3}, gemini, 'sampling_seed = 3 .*set sampling_seed = "none"'),
        ({"response_format": "json_schema"}, older_azure, 'json_schema .*set response_format = "auto"'),
        (
            {"extra_body": {"top_k": 1}},
            lambda request: (
                openai_error("Unrecognized request argument supplied: top_k") if "top_k" in request else None
            ),
            "top_k of extra_body .*take it out",
        ),
        (
            {"reasoning_effort": "low"},
            lambda request: (
                openai_error("Unknown parameter", "reasoning_effort") if "reasoning_effort" in request else None
            ),
            "does not take reasoning_effort .*take it out",
        ),
    ],
    ids=["temperature", "seed", "form", "extra_body", "reasoning_effort"],
)
def test_what_the_user_has_set_is_not_changed_but_named(
    tmp_path: Path, given: dict[str, Any], refusal: Callable[[Request], Act | None], sentence: str
) -> None:
    with ScriptedServer(unless(refusal)) as server:
        with pytest.raises(EngineStopped, match=sentence):
            asked_in(tmp_path, server, **given)
        assert len(server.requests) == 1


@pytest.mark.parametrize("shape", ["tools", "json_object", "plain"])
def test_a_form_that_is_set_is_the_one_that_is_sent(tmp_path: Path, shape: str) -> None:
    with ScriptedServer(unless(lambda _: None)) as server:
        _, answered = asked_in(tmp_path, server, response_format=shape)
    assert form(answered) == shape


def test_what_stands_in_every_request_is_sent_and_belongs_to_the_job(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "extra_body": {"chat_template_kwargs": {"enable_thinking": False}},
        "reasoning_effort": "low",
    }
    with ScriptedServer(unless(lambda _: None)) as server:
        _, answered = asked_in(tmp_path, server, **given)
    assert answered["chat_template_kwargs"] == {"enable_thinking": False}
    assert answered["reasoning_effort"] == "low"
    before = MineSettings(model="m").of_the_output()
    assert before["response_format"] == "json_schema"
    assert "extra_body" not in before
    assert MineSettings(model="m", **given).of_the_output() == before | given


def test_settings_say_none_and_tables_in_the_file_and_the_environment(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.with_name("cxr.toml").write_text('[mine]\ntemperature = "none"\nextra_body = {top_k = 1}\n')
    monkeypatch.setenv("CXR_MINE_SAMPLING_SEED", "none")
    monkeypatch.setenv("CXR_MINE_REASONING_EFFORT", "low")
    sampling = MineSettings.resolve(db, model="m").sampling()
    assert sampling == {"max_completion_tokens": 4096, "reasoning_effort": "low", "top_k": 1}
    monkeypatch.setenv("CXR_MINE_EXTRA_BODY", '{"seed": 1}')
    with pytest.raises(SettingsError, match=r"extra_body .*sampling_seed"):
        MineSettings.resolve(db, model="m")


# --- refusals that say nothing, and contexts ----------------------------------------------------------------------


def test_a_refusal_without_a_word_is_looked_into_with_three_tiny_requests(tmp_path: Path) -> None:
    def silent(request: Request) -> Act | None:
        return Refuse(400, {"error": "Bad Request"}) if "seed" in request or role(request) == "system" else None

    with ScriptedServer(unless(silent)) as server:
        calls, answered = asked_in(tmp_path, server)
    assert [call.stage for call in calls] == ["plan", "probe", "probe", "probe", "plan"]
    assert role(answered) == "user"
    assert not any("effusion" in str(request) for request in server.requests[1:4])


def test_a_server_that_only_fails_may_do_so_for_the_form(tmp_path: Path) -> None:
    """A template without a system role that ends in HTTP 500 and an empty body, as sglang's once did."""
    with ScriptedServer(unless(lambda request: Refuse(500, None) if role(request) == "system" else None)) as server:
        calls, answered = asked_in(tmp_path, server)
    assert role(answered) == "user"
    assert [call.stage for call in calls] == ["plan"] * 4 + ["probe"] * 3 + ["plan"]


def test_a_server_that_refuses_everything_ends_the_run_with_its_words(tmp_path: Path) -> None:
    with ScriptedServer(lambda _: Refuse(400, {"error": {"message": "Chat is switched off"}})) as server:
        with pytest.raises(EngineStopped, match=r"refuses every request for scripted.*Chat is switched off"):
            asked_in(tmp_path, server)
        assert len(server.requests) == 3


def test_a_reply_is_asked_for_as_short_as_the_context_needs(tmp_path: Path) -> None:
    """What a vLLM server with a short context says to a request for more than it holds."""

    def short(request: Request) -> Act | None:
        asked = request["max_completion_tokens"]
        said = (
            f"This model's maximum context length is 4096 tokens. However, you requested {3500 + asked} tokens (3500 "
            f"in the messages, {asked} in the completion). Please reduce the length of the messages or completion."
        )
        body = {"object": "error", "message": said, "type": "BadRequestError", "param": None, "code": 400}
        return Refuse(400, body) if 3500 + asked > 4096 else None

    with ScriptedServer(unless(short)) as server:
        _, answered = asked_in(tmp_path, server)
        assert answered["max_completion_tokens"] <= 596
        assert len(server.requests) == 2


def test_images_keep_their_place_when_the_instructions_join_them() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}
    request = {"messages": [{"role": "system", "content": "Look."}, {"role": "user", "content": [picture]}]}
    takes = unknown(MineSettings(model="m")).takes()._replace(system="user")
    assert put(request, takes)["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Look."}, picture]}
    ]


# --- batches and runs ---------------------------------------------------------------------------------------------


def requests_of(server: BatchingServer) -> list[Request]:
    """Give what stood in the files that were uploaded, oldest first."""
    lines = [json.loads(line) for file in server.files.values() for line in file.splitlines()]
    return [line["body"] for line in lines if "body" in line]


def test_what_a_batch_refuses_teaches_the_next_round(db: Path) -> None:
    write_store(db, 2)
    settings = MineSettings.resolve(db, engine="llm", model="scripted")
    with BatchingServer(lambda request: mistral(request) or REPLIES[schema_name(request)][0]) as server:
        mine_in_batches(db, settings.model_copy(update={"base_url": server.url}))
        for _ in range(4):
            collect(db)
        asked = requests_of(server)
    assert "seed" in asked[0]
    assert "max_tokens" in asked[-1]
    with duckdb.connect(str(db), read_only=True) as connection:
        assert connection.execute("select count(*) from chains").fetchall() == [(2,)]


def test_a_batch_can_be_preceded_by_a_probe(db: Path) -> None:
    write_store(db, 2)

    def act(request: Request) -> Act:
        return (
            gemini(request)
            or (REPLIES | {"ProbeReply": [Say({"word": "blue", "letters": 4})]})[schema_name(request)][0]
        )

    settings = MineSettings.resolve(db, engine="llm", model="scripted", probe="again")
    with BatchingServer(act) as server:
        mine_in_batches(db, settings.model_copy(update={"base_url": server.url}))
        assert server.received == 2
        assert not any(b'"seed"' in file for file in server.files.values())


def test_a_run_records_what_its_server_took(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_store(db, 2)
    with ScriptedServer(lambda request: gpt5(request) or REPLIES[schema_name(request)][0]) as server:
        mine_llm(db, MineSettings.resolve(db, engine="llm", model="scripted", base_url=server.url))
    assert "is sent no temperature from now on (Unsupported value" in " ".join(capsys.readouterr().err.split())
    with duckdb.connect(str(db), read_only=True) as connection:
        ((settings,),) = connection.execute("select settings from runs where command = 'mine'").fetchall()
    known = json.loads(settings)["capabilities"]
    assert [(one["part"], one["way"]) for one in known["refused"]] == [("temperature", "temperature")]
    assert known["replied_in"] == "json_schema"
