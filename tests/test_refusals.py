"""What a server says when it does not answer: each known form of body is read, and shown without report text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.miner.llm.quoted import quoted
from cxr.miner.llm.refusals import Trouble, refusal
from cxr.miner.llm.wire import WireReply

FOREIGN = "metadata.raw of a router"
OPENAI = {"message": "m", "type": "invalid_request_error", "param": "temperature", "code": "unsupported_value"}
GEMINI_KEY = {
    "code": 400,
    "message": "API key not valid. Please pass a valid API key.",
    "status": "INVALID_ARGUMENT",
    "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
}
OVERFLOW = (
    "Trying to keep the first 6547 tokens when context the overflows. However, the model is loaded with context "
    "length of only 4096 tokens, which is not enough."
)
VLLM_LONG = (
    "This model's maximum context length is 4096 tokens. However, you requested 5120 tokens (1024 in the messages, "
    "4096 in the completion). Please reduce the length of the messages or completion."
)
OLD_VLLM = "[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens'), 'msg': 'Extra inputs', 'input': 5}]"


def told(status: int, body: object) -> Any:
    content = body if isinstance(body, str) else json.dumps(body)
    return refusal(WireReply(status, {}, content.encode()))


@pytest.mark.parametrize(
    ("status", "body", "trouble", "param", "means"),
    [
        pytest.param(400, {"error": OPENAI}, Trouble.PARAMETER, "temperature", 400, id="OpenAI"),
        pytest.param(
            400,
            {"error": {**OPENAI, "param": "messages[0].role", "code": "unsupported_value"}},
            Trouble.PARAMETER,
            "messages[0].role",
            400,
            id="o1-preview",
        ),
        pytest.param(400, [{"error": GEMINI_KEY}], Trouble.KEY, None, 400, id="Gemini, a bad key"),
        pytest.param(
            400,
            [{"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "seed": Cannot find.'}}],
            Trouble.PARAMETER,
            "seed",
            400,
            id="Gemini, a list",
        ),
        pytest.param(
            422,
            {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"]}]}},
            Trouble.PARAMETER,
            "seed",
            422,
            id="Mistral",
        ),
        pytest.param(
            422, {"detail": [{"loc": ["body", "seed"], "msg": "no"}]}, Trouble.PARAMETER, "seed", 422, id="422"
        ),
        pytest.param(
            400,
            {"object": "error", "message": OLD_VLLM, "type": "BadRequestError", "code": 400},
            Trouble.PARAMETER,
            "max_completion_tokens",
            400,
            id="older vLLM",
        ),
        pytest.param(
            400,
            {"object": "error", "message": "System role not supported", "type": "BadRequestError", "code": 400},
            Trouble.PARAMETER,
            "messages[0].role",
            400,
            id="Gemma's template",
        ),
        pytest.param(
            400,
            {"error": {"message": "This response_format type is unavailable now", "type": "invalid_request_error"}},
            Trouble.PARAMETER,
            "response_format",
            400,
            id="DeepSeek",
        ),
        pytest.param(
            400,
            {"error": "'response_format.type' must be 'json_schema' or 'text'"},
            Trouble.PARAMETER,
            "response_format",
            400,
            id="LM Studio, a form",
        ),
        pytest.param(
            400, {"object": "error", "message": VLLM_LONG, "code": 400}, Trouble.CONTEXT, None, 400, id="vLLM"
        ),
        pytest.param(200, {"error": OVERFLOW}, Trouble.CONTEXT, None, 400, id="LM Studio, inside 200"),
        pytest.param(
            400,
            {"error": {"message": "No models loaded. Please load a model.", "param": "model", "code": None}},
            Trouble.MODEL,
            "model",
            400,
            id="LM Studio, no model",
        ),
        pytest.param(
            404,
            {"error": {"message": "No endpoints found that can handle the requested parameters.", "code": 404}},
            Trouble.NO_PROVIDER,
            None,
            404,
            id="OpenRouter, no provider",
        ),
        pytest.param(
            200, {"error": {"code": 502, "message": "bad gateway"}}, Trouble.SERVER, None, 502, id="502 in 200"
        ),
        pytest.param(200, {"error": {"code": "429", "message": "slow"}}, Trouble.BUSY, None, 429, id="429 in 200"),
        pytest.param(200, {"error": "it broke"}, Trouble.SERVER, None, 500, id="200 with words"),
        pytest.param(
            200,
            {"choices": [{"error": {"code": 502, "message": "x"}, "message": {"content": ""}}]},
            Trouble.SERVER,
            None,
            502,
            id="an error in a choice",
        ),
        pytest.param(
            402, {"error": {"code": 402, "message": "Insufficient credits"}}, Trouble.CREDIT, None, 402, id="402"
        ),
        pytest.param(
            429, {"error": {"code": "insufficient_quota", "message": "x"}}, Trouble.CREDIT, None, 429, id="no quota"
        ),
        pytest.param(
            400,
            {"error": {"code": "content_filter", "param": "prompt", "message": "triggered the content filter"}},
            Trouble.FILTER,
            "prompt",
            400,
            id="Azure's filter",
        ),
        pytest.param(
            400,
            {
                "error": {
                    "message": "Provider returned error",
                    "code": 400,
                    "metadata": {"raw": json.dumps({"error": OPENAI}), "provider_name": "P"},
                }
            },
            Trouble.PARAMETER,
            "temperature",
            400,
            id=FOREIGN,
        ),
        pytest.param(
            400,
            {
                "error": {
                    "code": 400,
                    "message": "the request is long",
                    "n_ctx": 512,
                    "n_prompt_tokens": 900,
                    "type": "exceed_context_size_error",
                }
            },
            Trouble.CONTEXT,
            None,
            400,
            id="llama.cpp",
        ),
        pytest.param(500, "<html>Bad gateway</html>", Trouble.SERVER, None, 500, id="a page"),
        pytest.param(400, "model is sad", Trouble.OTHER, None, 400, id="plain words"),
        pytest.param(400, {"error": None}, Trouble.OTHER, None, 400, id="nothing"),
    ],
)
def test_each_form_of_error_says_what_is_meant(
    status: int, body: object, trouble: Trouble, param: str | None, means: int
) -> None:
    said = told(status, body)
    assert (said.trouble, said.param and said.param.partition(".type")[0], said.status) == (trouble, param, means)


def test_a_completion_is_no_error_whatever_stands_beside_it() -> None:
    choice = {"message": {"role": "assistant", "content": "{}"}}
    assert told(200, {"choices": [choice], "error": None}) is None
    assert told(200, {"choices": [{**choice, "error": {"code": 1}}]}) is None
    assert told(200, "no JSON") is None


@pytest.mark.parametrize(
    ("body", "numbers"),
    [
        ({"error": OVERFLOW}, (4096, 0)),
        ({"message": VLLM_LONG}, (4096, 5120)),
        ({"error": {"type": "exceed_context_size_error", "n_ctx": 512, "n_prompt_tokens": 900}}, (512, 0)),
        ({"error": {"message": "prompt is too long: 200,251 tokens > 199,999 maximum"}}, (199_999, 0)),
        ({"error": "tokens to keep from the initial prompt exceed it (n_keep: 13055>= n_ctx: 4096)"}, (4096, 0)),
        ({"error": {"code": "context_length_exceeded", "message": "too long"}}, (0, 0)),
    ],
)
def test_what_a_context_holds_and_what_is_needed_is_read(body: object, numbers: tuple[int, int]) -> None:
    assert told(400, body).context == numbers


def test_a_reply_that_failed_the_servers_check_is_kept_for_reading() -> None:
    error = {"code": "json_validate_failed", "message": "Failed", "failed_generation": '{"a": 1'}
    said = told(400, {"error": error})
    assert (said.trouble, said.generated) == (Trouble.GENERATED, '{"a": 1')


REPORT = "Heart size is normal.\nThere is a small apical pneumothorax on the left, unchanged since 2010-03-04."
REQUEST = json.dumps(
    {"messages": [{"role": "system", "content": "Read."}, {"role": "user", "content": REPORT}]}
).encode()


@pytest.mark.parametrize(
    "message",
    [
        f"cannot do {REQUEST.decode()}",
        f"cannot do {json.dumps(REQUEST.decode())}",
        f"invalid prompt: {REPORT}",
        f"invalid prompt: {REPORT.upper()!r}",
        f"invalid prompt: ...{REPORT[31:60]}...",
        "unexpected token 'pneumothora' after apical",
    ],
)
def test_a_message_that_repeats_the_report_is_shown_without_it(message: str) -> None:
    shown = quoted(told(400, {"error": {"message": message}}), REQUEST).casefold()
    assert shown
    for word in ("heart", "normal", "small", "apical", "pneumo", "left", "2010"):
        assert word not in shown


def test_a_message_about_the_request_is_shown_whole() -> None:
    assert quoted(told(400, {"message": VLLM_LONG}), REQUEST).startswith(
        "This model's maximum context length is 4096 tokens. However, you requested 5120 tokens"
    )
    words = "Unsupported value: 'temperature' does not support 0 with this model."
    assert quoted(told(400, {"error": {**OPENAI, "message": words}}), REQUEST) == words


@given(st.binary(max_size=300), st.integers(200, 599))
def test_no_body_is_too_strange(body: bytes, status: int) -> None:
    said = refusal(WireReply(status, {}, body))
    assert said is None or (said.trouble and quoted(said, body).isprintable())


ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(max_size=30) | st.sampled_from(["429", "temperature", "[{'loc': ('body',)}]"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "detail", "loc", "param", "choices", "raw", "status", "type"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(ANYTHING, st.integers(200, 599))
def test_no_error_is_too_strange(body: object, status: int) -> None:
    said = told(status, body)
    assert (said is not None) or 200 <= status < 300
    if said is not None:
        assert said.kind.isprintable()
        assert len(said.kind) < 200
        assert 400 <= said.status <= 599 or not 200 <= status < 300
