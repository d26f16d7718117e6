"""What a question allows stands in the schema that goes with it; what is cut or wrong is asked for again in words."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cxr.miner.kit.errors import MiningReject
from cxr.miner.llm.guided import keywords_taken
from cxr.miner.llm.typed import typed
from cxr.miner.mine.settings import MineSettings
from cxr.prompts import load
from cxr.prompts.guide import EVERYWHERE, LISTED, WHOLE, Guide, guide_for, guided
from cxr.prompts.render import TEMPORAL
from cxr.prompts.replies import ChainReply, EvidenceReply, PlanReply, Reply, TemporalEvidenceReply, WholeReply
from cxr.schemas.call import Call
from cxr.schemas.question import Question
from cxr.schemas.vocabulary import RejectReason, Task
from tests.asking import CHAIN, PLAN, QUESTION, REPORT, Asking, engine_on, evidence_reply, mine
from tests.scripted_server import Act, Raw, Refuse, Say, ScriptedServer

pytestmark = pytest.mark.usefixtures("no_waiting")

YES_OR_NO = Question(
    question_id="b1", study_id="s1", task=Task.BINARY, text="Is there a fracture?", findings=("Fracture",), answer="No"
)


def schema_of(request: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = (
        request["tools"][0]["function"]["parameters"]
        if "tools" in request
        else request["response_format"]["json_schema"]["schema"]
    )
    return told


def fields(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """Give the properties of the class with this name, wherever it stands in a schema."""
    found: list[dict[str, Any]] = []

    def look(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("title") == name and "properties" in node:
                found.append(node["properties"])
            for value in node.values():
                look(value)
        elif isinstance(node, list):
            for value in node:
                look(value)

    look(schema)
    return found[0]


@pytest.mark.parametrize("mode", ["json_schema", "tools"])
def test_findings_answers_and_numbers_of_the_question_stand_in_the_schemas(tmp_path: Path, mode: str) -> None:
    with engine_on({}, tmp_path, response_format=mode) as (engine, server):
        mine(engine)
    plan, evidence, chain = (schema_of(request) for request in server.requests)
    asked = sorted(QUESTION.findings)
    assert fields(plan, "PlanItemReply")["finding"]["enum"] == asked
    assert fields(evidence, "EvidenceItemReply")["finding"]["enum"] == asked
    assert fields(chain, "ChainReply")["answer"]["enum"] == ["A", "B", "C"]
    assert fields(chain, "StepReply")["evidence"]["items"]["enum"] == [1, 2, 3]
    assert plan["properties"]["items"]["maxItems"] == plan["properties"]["items"]["minItems"] == 3
    assert 2000 > fields(plan, "PlanItemReply")["look_for"]["maxLength"] > 619


@pytest.mark.parametrize(
    ("mode", "hashes"),
    [
        ("json_schema", ["84e93336bddb630e", "1033d3e7345fecc9", "abda45c599828a32"]),
        ("tools", ["444af7ca60467a65", "c735d8d9a61e01fe", "59fdc8e684eaff2c"]),
    ],
)
def test_without_a_guide_requests_of_version_1_are_what_they_were(tmp_path: Path, mode: str, hashes: list[str]) -> None:
    """Byte for byte as they were before there were guides: what was paid for then is found in its cache."""
    calls: list[Call] = []
    first = {"guide": False, "plan_version": 1, "evidence_version": 1, "chain_version": 1}
    with engine_on({}, tmp_path, calls, response_format=mode, **first) as (engine, server):
        mine(engine)
    assert [call.request_hash[:16] for call in calls] == hashes
    assert {request["max_completion_tokens"] for request in server.requests} == {4096}


def test_the_longest_reply_follows_the_question_and_never_passes_the_setting(tmp_path: Path) -> None:
    with engine_on({}, tmp_path) as (engine, server):
        mine(engine)
    assert [request["max_completion_tokens"] for request in server.requests] == [1060, 1110, 1060]
    assert guide_for("plan", YES_OR_NO).tokens == 420
    with engine_on({}, tmp_path / "less", max_completion_tokens=300) as (engine, server):
        mine(engine)
    assert {request["max_completion_tokens"] for request in server.requests} == {300}


def test_keywords_are_those_that_are_documented_for_the_server() -> None:
    def taken(url: str, **more: Any) -> frozenset[str]:
        return keywords_taken(MineSettings(model="m", base_url=url, **more))

    assert taken("http://127.0.0.1:8000/v1") == taken("https://localhost/v1") == taken("http://gpu7:8000/v1") == WHOLE
    assert taken("https://api.openai.com/v1") == LISTED
    assert taken("https://ours.openai.azure.com", api="azure") == taken("https://openrouter.ai/api/v1") == EVERYWHERE


def _words(node: Any) -> set[str]:
    if isinstance(node, dict):
        return set(node) | {word for value in node.values() for word in _words(value)}
    return {word for value in node for word in _words(value)} if isinstance(node, list) else set()


@pytest.mark.parametrize("taken", [EVERYWHERE, LISTED, WHOLE], ids=["everywhere", "listed", "whole"])
@pytest.mark.parametrize("reply", [PlanReply, EvidenceReply, TemporalEvidenceReply, ChainReply, WholeReply])
def test_only_keywords_that_are_taken_enter_and_the_strict_form_stays(
    reply: type[Reply], taken: frozenset[str]
) -> None:
    plain = schema_of(typed(reply, "json_schema").request)
    made = guided(plain, guide_for("whole", QUESTION), taken)
    assert _words(made) - _words(plain) <= taken
    assert "additionalProperties" in made
    assert made["required"] == plain["required"]
    assert guided(plain, guide_for("whole", QUESTION), ()) == plain


def test_an_open_answer_and_one_call_leave_open_what_nobody_knows_yet() -> None:
    anomaly = Question(
        question_id="a1",
        study_id="s1",
        task=Task.ANOMALY,
        text="What is abnormal?",
        findings=("Fracture", "Edema"),
        answer="Edema",
        answer_findings=("Edema",),
    )
    schema = guided(schema_of(typed(WholeReply, "json_schema").request), guide_for("whole", anomaly), WHOLE)
    assert "enum" not in fields(schema, "ChainReply")["answer"]
    assert fields(schema, "StepReply")["evidence"]["items"]["enum"] == [1, 2, 3, 4, 5, 6]
    assert guide_for("whole" + TEMPORAL, anomaly).step == "whole"
    assert fields(schema, "PlanItemReply")["finding"]["enum"] == ["Edema", "Fracture"]
    assert (
        "enum"
        not in fields(
            guided(schema_of(typed(PlanReply, "json_schema").request), guide_for("plan", anomaly, named=False), WHOLE),
            "PlanItemReply",
        )["finding"]
    )


def test_a_schema_is_made_once_for_equal_guides_and_the_worked_cases_keep_to_theirs() -> None:
    form = typed(PlanReply, "json_schema")
    first = form.request_for(guide_for("plan", QUESTION), WHOLE)
    assert form.request_for(guide_for("plan", QUESTION), WHOLE) is first
    for case in load("whole").examples:
        bounds = guide_for("whole", case.question).bounds()
        assert len(case.chain.steps) <= bounds["ChainReply"]["steps"]["maxItems"]
        assert all(len(step.text) <= bounds["StepReply"]["text"]["maxLength"] for step in case.chain.steps)
        assert len(case.model_dump_json()) / 3 < guide_for("whole", case.question).tokens + 1000


def test_a_reply_that_ran_on_is_asked_for_once_more_shorter_and_with_other_sampling(tmp_path: Path) -> None:
    ran_on = Say('{"items": [{"finding": "Cardiomegaly", "look_for": "Look there. ' * 9, finish_reason="length")
    with engine_on({"PlanReply": [ran_on, Say(PLAN)]}, tmp_path) as (engine, server):
        assert engine.plan(QUESTION, REPORT)
    first, again = server.asked("PlanReply")
    assert (again["temperature"], again["seed"]) == (0.5, 1)
    assert "cut off" in again["messages"][-1]["content"]
    assert "at most 200 characters" in again["messages"][-1]["content"]
    assert "Look there. {" not in json.dumps(again)
    assert len(again["messages"]) == len(first["messages"])
    assert again["max_completion_tokens"] == first["max_completion_tokens"] == 1060


def test_a_reply_that_stays_too_long_costs_two_short_replies_and_is_named(tmp_path: Path) -> None:
    with (
        engine_on({"PlanReply": [Say("{", finish_reason="length")]}, tmp_path) as (engine, server),
        pytest.raises(MiningReject, match="cut off at max_completion_tokens, also when") as caught,
    ):
        engine.plan(QUESTION, REPORT)
    assert caught.value.reason is RejectReason.MODEL_OUTPUT_INVALID
    assert sum(request["max_completion_tokens"] for request in server.requests) == 2 * 1060


@pytest.mark.parametrize("response_format", ["auto", "tools"])
def test_a_server_that_refuses_lengths_in_schemas_gets_the_schema_without_them(
    tmp_path: Path, response_format: str
) -> None:
    error = {"message": "Invalid schema for 'PlanReply': In context=('look_for',), 'maxLength' is not permitted."}

    def strict(request: dict[str, Any]) -> Act:
        if re.search("maxLength|maxItems|minItems", json.dumps(request)):
            return Refuse(400, {"error": error | {"param": "response_format", "type": "invalid_request_error"}})
        return Say(PLAN)

    with ScriptedServer(strict) as server:
        settings = MineSettings(model="m", base_url=server.url, response_format=response_format)
        with Asking(settings, tmp_path) as engine:
            assert engine.plan(QUESTION, REPORT)
    refused, taken = server.requests
    for request in (refused, taken):
        assert ("tools" in request) is (response_format == "tools")
        assert '"enum"' in json.dumps(request)


def _thinking(content: str, finish: str, reasoning: int) -> Raw:
    message = {"role": "assistant", "content": content}
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 1060,
        "total_tokens": 1069,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    choice = {"index": 0, "finish_reason": finish, "message": message}
    about = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
    return Raw(json.dumps({**about, "choices": [choice], "usage": usage}))


def test_a_model_that_thinks_gets_all_the_room_from_then_on(tmp_path: Path) -> None:
    acts = [_thinking("", "length", 1060), _thinking(json.dumps(PLAN), "stop", 1900)]
    with engine_on({"PlanReply": acts}, tmp_path) as (engine, server):
        plan = engine.plan(QUESTION, REPORT)
        engine.evidence(QUESTION, plan, REPORT)
    assert [request["max_completion_tokens"] for request in server.requests] == [1060, 4096, 4096]
    assert "cut off" not in json.dumps(server.requests)


def test_a_reask_names_the_field_and_shows_no_invented_words(tmp_path: Path) -> None:
    script = {"EvidenceReply": [Say(evidence_reply("a gigantic effusion")), Say(evidence_reply())]}
    with engine_on(script, tmp_path) as (engine, server):
        mine(engine)
    first, again = server.asked("EvidenceReply")
    assert "gigantic" not in json.dumps(again)
    assert [message["role"] for message in again["messages"]] == [message["role"] for message in first["messages"]]
    before, _, note = again["messages"][-1]["content"].rpartition("\n\n")
    assert before == first["messages"][-1]["content"]
    assert "quote 1 of item 2 (Pleural Effusion) does not occur in the report; copy" in note


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (
            {"items": [{**evidence_reply()["items"][0], "kind": "guessed"}]},
            "items[0].kind: Input should be 'quoted' or",
        ),
        ({"items": [{"finding": "Fracture"}]}, "items[0].kind: Field required"),
        ({}, "items: Field required"),
        ("a gigantic effusion", "it is no JSON object of the given schema"),
    ],
)
def test_what_does_not_fit_the_schema_is_named_by_its_place(tmp_path: Path, reply: object, told: str) -> None:
    with engine_on({"EvidenceReply": [Say(reply), Say(evidence_reply())]}, tmp_path) as (engine, server):
        mine(engine)
    note = server.asked("EvidenceReply")[1]["messages"][-1]["content"]
    assert told in note
    assert "gigantic" not in note


def test_names_in_another_case_are_the_same_names_guided_or_not(tmp_path: Path) -> None:
    low = {"items": [{**item, "finding": item["finding"].lower()} for item in PLAN["items"]]}
    with engine_on({"PlanReply": [Say(low)], "ChainReply": [Say({**CHAIN, "answer": "b"})]}, tmp_path) as (engine, _):
        plan, _, chain = mine(engine)
    assert [item.finding for item in plan.items] == list(QUESTION.findings)
    assert chain.answer == "B"


def test_a_guide_is_a_value() -> None:
    assert guide_for("plan", QUESTION) == Guide(
        step="plan", findings=QUESTION.findings, asked=3, answers=("A", "B", "C"), observations=None
    )
