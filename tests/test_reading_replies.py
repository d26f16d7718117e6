"""Replies are read like a generous reader would: the same object from every wrapper, and nothing that is not there."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr.miner.llm.completion import read_completion
from cxr.miner.llm.failures import Passing
from cxr.miner.llm.loose_json import values_in
from cxr.miner.llm.reading import Unread, ended, read
from cxr.prompts.judge_replies import ContainReply, ExtractReply, SupportReply
from cxr.prompts.replies import ChainReply, EvidenceReply, PlanReply, Reply, WholeReply
from cxr.schemas.rejection import Rejection
from cxr.schemas.vocabulary import RejectReason

PLAN = {"items": [{"finding": "Effusion", "look_for": "Blunting of the angles."}]}
EVIDENCE = {
    "items": [
        {
            "finding": "Effusion",
            "kind": "quoted",
            "presence": "present",
            "statement": "There is an effusion.",
            "quotes": ["small effusion"],
        }
    ]
}
CHAIN = {"steps": [{"text": "The angle is blunt.", "evidence": [1]}], "answer": "Yes"}
WHOLE = {"plan": PLAN, "evidence": EVIDENCE, "chain": CHAIN}
VERDICT = {"number": 1, "quotes": [], "reason": "silent", "verdict": "not_assessable", "extra_detail": False}


def body(message: object, **beside: object) -> str:
    """Give a body with the least that a server can say, and what stands beside it."""
    return json.dumps({"choices": [{"message": message}], **beside})


def said(text: str, wanted: type[Reply], **others: object) -> Reply:
    completion = read_completion(body({"role": "assistant", "content": text, **others}))
    return read(completion, wanted, lambda _: None)


def is_unread(text: str, wanted: type[Reply]) -> str:
    with pytest.raises(Unread) as caught:
        said(text, wanted)
    return caught.value.fault


# ---- bodies


def call(arguments: object, **around: object) -> dict[str, object]:
    return {"content": None, "tool_calls": [{"function": {"name": "PlanReply", "arguments": arguments}, **around}]}


TEXT = json.dumps(PLAN)
PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm {"}]}, {"type": "text", "text": TEXT}]


@pytest.mark.parametrize(
    "message",
    [
        {"content": TEXT},
        {"content": [{"type": "text", "text": TEXT[:9]}, {"type": "text", "text": TEXT[9:]}]},
        {"content": PARTS},
        {"content": [TEXT]},
        {"content": PLAN},
        {"content": None, "reasoning_content": f"I shall say: {TEXT}"},
        {"content": "", "reasoning": TEXT},
        {"content": "Here it is.", **call(TEXT)},
        call(TEXT, id="c", type="function"),
        call(PLAN),
        {"content": None, "function_call": {"name": "PlanReply", "arguments": TEXT}},
        {"content": TEXT, "tool_calls": [], "refusal": None, "audio": None},
        {"content": TEXT, "tool_calls": {}, "annotations": 1},
    ],
    ids=lambda value: str(value)[:50],
)
@pytest.mark.parametrize("finish", [None, "stop", "eos_token", "stop_sequence", "end_turn", "STOP", 7, "tool_calls"])
def test_the_reply_is_found_wherever_the_server_put_it(message: dict[str, object], finish: object) -> None:
    odd = {"choices": [{"message": message, "finish_reason": finish}], "usage": None, "object": "text"}
    for text in (json.dumps(odd), body(message), "\ufeff\n" + body(message, id=5, created="now", usage={"total": 1})):
        assert read(read_completion(text), PlanReply, lambda _: None).model_dump(mode="json") == PLAN


def test_a_stream_that_nobody_asked_for_is_put_together() -> None:
    pieces: list[dict[str, Any]] = [{"choices": [{"delta": {"content": part}}]} for part in (TEXT[:7], TEXT[7:])]
    pieces.append(
        {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    )
    lines = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces)
    completion = read_completion(f"{lines}data: [DONE]\n")
    assert read(completion, PlanReply, lambda _: None)
    assert completion.usage is not None
    with pytest.raises(Passing):
        read_completion(lines[: lines.index("finish") - 20])


@pytest.mark.parametrize(
    ("finish", "kept"),
    [
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("content_filter: PROHIBITED_CONTENT", "content_filter"),
        ("SAFETY", "content_filter"),
        ("whatever", "stop"),
    ],
)
def test_ends_that_matter_have_one_word(finish: str, kept: str) -> None:
    text = json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": finish}]})
    assert read_completion(text).choices[0].finish_reason == kept


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"choices": 1}', '{"choices": []}', "<html>", "data: x", "7"]
)
def test_what_is_no_completion_is_none(text: str) -> None:
    with pytest.raises(Passing):
        read_completion(text)


# ---- what models write


@pytest.mark.parametrize(
    ("text", "wanted", "kept"),
    [
        (f"```json\n{TEXT}\n```", PlanReply, PLAN),
        (f"Sure! Here is the plan:\n\n{TEXT}\n\nI hope that helps {{really}}.", PlanReply, PLAN),
        (f"<think>Let me see {{...}}, maybe [1].</think>\n{TEXT}", PlanReply, PLAN),
        (f"Let me see.</think>{TEXT}", PlanReply, PLAN),
        (f"<think>It is {TEXT}", PlanReply, PLAN),
        (
            f"<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>{TEXT}<|return|>",
            PlanReply,
            PLAN,
        ),
        (json.dumps({"PlanReply": PLAN}), PlanReply, PLAN),
        (json.dumps({"name": "PlanReply", "arguments": PLAN}), PlanReply, PLAN),
        (json.dumps({"name": "PlanReply", "parameters": TEXT}), PlanReply, PLAN),
        (json.dumps([{"name": "PlanReply", "arguments": {"PlanReply": PLAN}}]), PlanReply, PLAN),
        (json.dumps(PLAN["items"]), PlanReply, PLAN),
        (json.dumps({**PLAN, "explanation": "because", "confidence": 1}), PlanReply, PLAN),
        (json.dumps(json.dumps(PLAN)), PlanReply, PLAN),
        (TEXT.replace("}]", ",},]").replace("{", "{ // a plan\n"), PlanReply, PLAN),
        (str(PLAN), PlanReply, PLAN),
        (
            TEXT.replace("Blunting of", "Blunting\n\tof"),
            PlanReply,
            {"items": [{**PLAN["items"][0], "look_for": "Blunting\n\tof the angles."}]},
        ),
        (
            TEXT.replace('"items"', "items").replace('"finding"', '"Finding"').replace("look_for", "lookFor"),
            PlanReply,
            PLAN,
        ),
        (f'{{"items": [{{"finding": "x"}}]}}\n{TEXT}', PlanReply, PLAN),
        (json.dumps({"items": PLAN["items"][0]}), PlanReply, PLAN),
        (json.dumps(EVIDENCE).replace("quoted", "Quoted").replace('"present"', '"PRESENT"'), EvidenceReply, EVIDENCE),
        (
            json.dumps({"items": [{**EVIDENCE["items"][0], "kind": "Inferred-Normal", "quotes": None}]}),
            EvidenceReply,
            {"items": [{**EVIDENCE["items"][0], "kind": "inferred_normal", "quotes": []}]},
        ),
        (json.dumps({"steps": [{"text": "The angle is blunt.", "evidence": "1"}], "answer": "Yes"}), ChainReply, CHAIN),
        (
            json.dumps({"items": [{**VERDICT, "number": "1", "extra_detail": "No", "verdict": "Not assessable"}]}),
            SupportReply,
            {"items": [VERDICT]},
        ),
        (
            '{"items": [{"number": 1.0, "held_by": "1, 2", "contained": "true"}]}',
            ContainReply,
            {"items": [{"number": 1, "held_by": [1, 2], "contained": True}]},
        ),
        ("[]", ExtractReply, {"findings": []}),
        (json.dumps({"reply": {"plan": PLAN, "Evidence": EVIDENCE, "chain": CHAIN}}), WholeReply, WHOLE),
        (f'{TEXT}<|im_end|>\n<|im_start|>user {{"items": []}}', PlanReply, PLAN),
    ],
    ids=lambda value: str(value)[:40],
)
def test_slips_of_models_are_mended(text: str, wanted: type[Reply], kept: dict[str, Any]) -> None:
    assert said(text, wanted).model_dump(mode="json") == kept


@pytest.mark.parametrize(
    ("text", "wanted", "fault"),
    [
        (TEXT[:-1], PlanReply, "no JSON object"),
        (TEXT[:-12], PlanReply, "no JSON object"),
        (f"An example: {TEXT}\nMine: {TEXT[:-2]}", PlanReply, "no JSON object"),
        (f'{{"PlanReply": {TEXT}, "more": "', PlanReply, "no JSON object"),
        ("I would rather talk.", PlanReply, "no JSON object"),
        ("", PlanReply, "no JSON object"),
        ('{"items": [{"finding": "Effusion"}]}', PlanReply, "items[0].look_for: Field required"),
        ('{"steps": []}', PlanReply, "items: Field required"),
        (json.dumps(EVIDENCE).replace('"present"', '"maybe"'), EvidenceReply, "items[0].presence: Input should be"),
        ('{"findings": [{"observation": "a "big" one", "quotes": []}]}', ExtractReply, ""),
        ('{"items": [{"number": true, "held_by": [], "contained": true}]}', ContainReply, "items[0].number"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_not_there_is_never_made_up(text: str, wanted: type[Reply], fault: str) -> None:
    assert fault in is_unread(text, wanted)


def test_a_fault_names_no_word_of_the_reply() -> None:
    fault = is_unread('{"items": [{"finding": 5, "pneumothorax": 1, "look_for": ["apical"]}], "apical": 2}', PlanReply)
    assert fault
    assert "pneumothorax" not in fault
    assert "apical" not in fault


def test_of_several_objects_the_one_counts_that_passes_the_check() -> None:
    other = {"items": [{"finding": "Fracture", "look_for": "Ribs."}]}
    completion = read_completion(body({"content": f"{TEXT} or rather {json.dumps(other)}"}))
    assert read(completion, PlanReply, lambda _: None).items[0].finding == "Fracture"

    def check(reply: PlanReply) -> Rejection | None:
        wrong = Rejection(RejectReason.EVIDENCE_INCOMPLETE, "the plan lacks one")
        return None if reply.items[0].finding == "Effusion" else wrong

    assert read(completion, PlanReply, check).items[0].finding == "Effusion"
    with pytest.raises(Unread, match="the plan lacks one"):
        read(read_completion(body({"content": json.dumps(other)})), PlanReply, check)


@pytest.mark.parametrize(
    ("content", "finish"),
    [(f"{TEXT}\nAnd so on and so on", "stop"), (TEXT, "length"), (TEXT[:-3], "length"), (f"{TEXT} {{", "length")],
)
def test_only_what_follows_the_object_may_be_cut_off(content: str, finish: str) -> None:
    text = json.dumps({"choices": [{"message": {"content": content}, "finish_reason": "length"}]})
    assert ended(read_completion(text)).choices[0].finish_reason == finish


# ---- any object, any wrapper

WORDS = st.text(st.characters(codec="utf-8"), max_size=20)
PLANS = st.lists(st.fixed_dictionaries({"finding": WORDS, "look_for": WORDS}), min_size=1, max_size=3).map(
    lambda items: {"items": items}
)
PROSE = st.sampled_from(["", "Sure, here it is: ", "Note [1]:\n", "It's {so}. ", "\n\n", 'She said "yes". '])
WRAPPERS = {
    "fence": lambda text: f"```json\n{text}\n```",
    "bare fence": lambda text: f"```\n{text}```",
    "thoughts": lambda text: f"<think>\nFirst {{x}}, then [y].\n</think>\n\n{text}",
    "name": lambda text: f'{{"PlanReply": {text}}}',
    "call": lambda text: f'{{"name": "PlanReply", "arguments": {text}}}',
    "list": lambda text: f"[{text}]",
    "comma": lambda text: f"{text[:-1]},\n}}",
    "beside": lambda text: f'{text[:-1]}, "note": "more"}}',
    "text": lambda text: json.dumps({"arguments": text}),
}


@settings(max_examples=60, deadline=None)
@given(PLANS, st.lists(st.sampled_from(sorted(WRAPPERS)), max_size=3), PROSE, PROSE, st.booleans())
def test_a_valid_object_reads_the_same_from_any_wrappers_in_any_order(
    plan: dict[str, Any], wrappers: list[str], before: str, after: str, ascii_only: bool
) -> None:
    text = json.dumps(plan, ensure_ascii=ascii_only)
    inner = [name for name in wrappers if name in {"name", "call", "list", "comma", "beside", "text"}]
    for name in inner:
        if text.endswith("}") or name not in {"comma", "beside"}:
            text = WRAPPERS[name](text)
    for name in wrappers:
        if name not in inner:
            text = WRAPPERS[name](text)
    assert said(before + text + after, PlanReply).model_dump(mode="json") == plan


@settings(max_examples=60, deadline=None)
@given(PLANS, st.data())
def test_an_object_that_was_cut_off_is_none(plan: dict[str, Any], data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([json.dumps(plan), str(plan)]))
    is_unread(text[: data.draw(st.integers(0, len(text) - 1))], PlanReply)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="{}[]\"',:\\ntru1e", max_size=200))
def test_no_text_is_too_strange(text: str) -> None:
    values_in(text)
    with contextlib.suppress(Unread):
        said(text, ExtractReply)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 50_000, "{" * 2 + "x" * 500_000, "{'" * 30_000, '"' * 300_000]
)
def test_no_text_takes_long(text: str) -> None:
    assert values_in(text).values == []
