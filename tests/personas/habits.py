"""Habits that no vendor owns: how models word JSON, how gateways wrap completions, and what passes by itself."""

import dataclasses
import gzip
import json
import re
from typing import Any

from tests.personas.persona import FEW, Completion, Message, Persona, Request
from tests.personas.refusing import (
    PLAIN,
    always,
    ending_with_assistant,
    form,
    has,
    not_alternating,
    not_default_temperature,
    openai,
    refuse,
    role,
    unsupported_parameter,
    unsupported_value,
    vllm,
)

_GH = "https://github.com"
_HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>nginx</body></html>"


def _trailing_commas(text: str) -> str:
    return re.sub(r"([}\]\"\w])([}\]])", r"\1,\2", text)


def _wrapped(text: str) -> str:
    """Put the object into another one, under the name of its type or of a common field."""
    names = {"plan": "WholeReply", "steps": "ChainReply", "findings": "ExtractReply"}
    said = json.loads(text)
    return json.dumps({next((name for key, name in names.items() if key in said), "Reply"): said})


def _capitals(text: str) -> str:
    """Write the words of enumerations in capitals."""
    words = ("quoted", "inferred_normal", "present", "absent", "supported", "contradicted", "unmentioned_normal")
    for word in words:
        text = text.replace(f': "{word}"', f': "{word.upper() if word != "quoted" else "Quoted"}"')
    return text


def _pythonic(text: str) -> str:
    return repr(json.loads(text))


def _with_nan(text: str) -> str:
    said = json.loads(text)
    return json.dumps(said | {"confidence": float("nan")}) if isinstance(said, dict) else text


def _commented(text: str) -> str:
    return text.replace("{", "{ // the answer\n", 1)


def _raw_newlines(text: str) -> str:
    """Break lines inside of strings, as some guided decoding lets through."""
    return text.replace(". ", ".\n")


def _streamed(completion: Completion, _: Request) -> str:
    """Send server-sent events, though nobody asked for a stream."""
    (choice,) = completion["choices"]
    text = choice["message"].get("content") or ""
    head: dict[str, Any] = {key: completion[key] for key in ("id", "model", "created")}
    head["object"] = "chat.completion.chunk"
    calls = choice["message"].get("tool_calls")
    first = {"role": "assistant"} | ({"tool_calls": [{"index": 0, **call} for call in calls]} if calls else {})
    deltas: list[dict[str, Any]] = [first, *({"content": text[at : at + 90]} for at in range(0, len(text), 90))]
    chunks: list[dict[str, Any]] = [
        head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    chunks.append(head | {"choices": [], "usage": completion["usage"]})
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


def _finish(word: object) -> object:
    def change(completion: Completion, _: Request) -> Completion:
        completion["choices"][0]["finish_reason"] = word
        return completion

    return change


def _usage(said: object) -> object:
    return lambda completion, _: completion | {"usage": said}


def _other_model(completion: Completion, _: Request) -> Completion:
    return completion | {"model": "somebody-else-7b-instruct-awq"}


def _arguments_as_object(message: Message) -> Message:
    for call in message.get("tool_calls") or ():
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])
        del call["id"]
    return message


def _called_twice(message: Message) -> Message:
    if calls := message.get("tool_calls"):
        message["tool_calls"] = calls * 2
    return message


def _as_function_call(message: Message) -> Message:
    """Answer with the field that tools replaced."""
    calls = message.pop("tool_calls", None)
    return message | ({"function_call": calls[0]["function"]} if calls else {})


def _as_text(completion: Completion, _: Request) -> Completion:
    """Answer in the form of the older endpoint."""
    (choice,) = completion["choices"]
    return completion | {"choices": [{"index": 0, "text": choice["message"]["content"], "finish_reason": "stop"}]}


def _gzip(completion: Completion, _: Request) -> bytes:
    return gzip.compress(json.dumps(completion).encode())


def _repeats(completion: Completion, _: Request) -> Completion:
    """Say the same again and again until the limit."""
    (choice,) = completion["choices"]
    choice["message"] = {"role": "assistant", "content": '{"items": [{"finding": "' + "the lungs are clear " * 400}
    choice["finish_reason"] = "length"
    completion["usage"] |= {"completion_tokens": 4096}
    return completion


_REFUSES_SCHEMA = refuse(
    form("json_schema"), openai("response_format of type json_schema is not supported", "response_format")
)

WORDINGS = tuple(
    Persona(name, "models in general", differs, source, does, binds=PLAIN, loose=loose)
    for name, differs, loose, source, does in (
        ("bare-fence", "JSON in a fence, nothing else", lambda text: f"```json\n{text}\n```", "M", "read"),
        ("open-fence", "a fence that is never closed", lambda text: f"```json\n{text}", "M", "read"),
        ("prose-before", "a sentence before the JSON", lambda text: f"Sure, here it is:\n{text}", "M", "read"),
        (
            "braces-in-prose",
            "prose with braces before and after",
            lambda text: f"As {{asked}}: the object is\n\n{text}\n\nI used the form {{...}} of your schema.",
            "M",
            "read",
        ),
        ("twice", "the object twice", lambda text: f"{text}\n{text}", "M", "the first that fits"),
        ("tagged", "the object in tags", lambda text: f"<json>{text}</json>", "M", "read"),
        ("trailing-commas", "trailing commas", _trailing_commas, "M", "read"),
        ("wrapped", "another object around it", _wrapped, "M", "unwrapped"),
        ("in-a-list", "a list around it", lambda text: f"[{text}]", "M", "unwrapped"),
        ("as-a-string", "the JSON as a JSON string", json.dumps, "M", "read"),
        ("capitals", "`Quoted` for `quoted`", _capitals, "M", "read"),
        ("pythonic", "single quotes, as Python prints", _pythonic, "M", "read"),
        ("commented", "a comment in the JSON", _commented, "M", "read"),
        ("raw-newlines", "raw line ends in strings", _raw_newlines, "D shared/stack.md: measured on vLLM", "read"),
        ("byte-order-mark", "a byte order mark at the start", lambda text: f"\ufeff{text}", "M", "read"),
        ("extra-field", "a field that nobody asked for, with NaN", _with_nan, "M", "left out"),
    )
)

WRAPPINGS = (
    *(
        Persona(name, "gateways", differs, source, "read", body=body)  # type: ignore[arg-type]
        for name, differs, body, source in (
            ("finish-null", "`finish_reason` null", _finish(None), "M"),
            ("finish-eos", "`finish_reason` `eos_token`", _finish("eos_token"), "D text-generation-inference"),
            ("finish-end-turn", "`finish_reason` `end_turn`", _finish("end_turn"), "D Anthropic's own API"),
            ("finish-capitals", "`finish_reason` `STOP`", _finish("STOP"), "D Gemini's own API"),
            ("usage-null", "`usage` null", _usage(None), "M"),
            ("usage-words", "counts as strings", _usage({"prompt_tokens": "100", "completion_tokens": "10"}), "M"),
            ("usage-absurd", "10^30 tokens, and -5", _usage({"prompt_tokens": 10**30, "completion_tokens": -5}), "M"),
            (
                "other-model",
                "another model's name in the reply",
                _other_model,
                "D https://openrouter.ai/docs/api-reference/overview",
            ),
            ("streams", "server-sent events, not asked for", _streamed, "M"),
            (
                "error-null",
                "`error: null` beside the choices",
                lambda completion, _: {"error": None, **completion},
                "M",
            ),
            (
                "older-endpoint",
                "`text` in place of `message`",
                _as_text,
                "D https://platform.openai.com/docs/api-reference/completions",
            ),
            (
                "bom-body",
                "a byte order mark before the body",
                lambda completion, _: b"\xef\xbb\xbf" + json.dumps(completion).encode(),
                "M",
            ),
        )
    ),
    Persona(
        "arguments-object",
        "gateways before Ollama",
        "a tool's arguments are an object, its call has no id",
        "D https://docs.ollama.com/capabilities/tool-calling",
        "read",
        refuses=(_REFUSES_SCHEMA,),
        message=_arguments_as_object,
    ),
    Persona(
        "calls-twice",
        "models in general",
        "calls the tool twice",
        "M",
        "reads the first",
        refuses=(_REFUSES_SCHEMA,),
        message=_called_twice,
    ),
    Persona(
        "function-call",
        "older gateways",
        "`function_call` in place of `tool_calls`",
        "D https://platform.openai.com/docs/api-reference/chat/object",
        "read",
        refuses=(_REFUSES_SCHEMA,),
        message=_as_function_call,
    ),
    Persona("drips", "slow gateways", "a body in many small chunks", "M", "read", drips=True),
    Persona("gzip", "proxies", "a compressed body", "M", "read", body=_gzip, headers={"content-encoding": "gzip"}),
    Persona("text-plain", "gateways", "JSON as text/plain", "M", "read", headers={"content-type": "text/plain"}),
)

PASSING = (
    Persona(
        "rate-limit",
        "everybody",
        "HTTP 429 twice, `Retry-After: nan`",
        "D https://platform.openai.com/docs/guides/rate-limits; nan M",
        "waits and tries again",
        refuses=(
            refuse(always, openai("Rate limit reached", None, "rate_limit_exceeded"), 429, times=2, retry_after="nan"),
        ),
    ),
    Persona(
        "cloudflare-524",
        "servers behind Cloudflare",
        "HTTP 524 and a page, twice",
        "D https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/",
        "tries again",
        refuses=(refuse(always, _HTML.format("524: A timeout occurred"), 524, times=2, content_type="text/html"),),
    ),
    Persona(
        "choices-null",
        "9router",
        "HTTP 200 with `choices: null`, twice",
        f"D {_GH}/decolua/9router/issues/2727",
        "tries again",
        refuses=(refuse(always, {"id": None, "object": "chat.completion", "choices": None}, 200, times=2),),
        may_pay_more=2,
    ),
    Persona(
        "repeats-once",
        "small models",
        "the first reply repeats a sentence to the limit",
        "D shared/stack.md: measured on SmolLM2",
        "asks once more, shorter and with other sampling",
        body=_repeats,
        may_pay_more=1,
    ),
)

_GOOD = Persona("good", "", "", "M")
_THEN_NO_TEMPERATURE = dataclasses.replace(
    _GOOD, refuses=(refuse(not_default_temperature, unsupported_value("temperature")),)
)
_THEN_NO_SCHEMA = dataclasses.replace(_GOOD, refuses=(_REFUSES_SCHEMA,))
_THEN_FENCED = dataclasses.replace(_GOOD, binds=PLAIN)
_THEN_NO_SYSTEM = dataclasses.replace(_GOOD, refuses=(refuse(role("system"), vllm("System role not supported")),))
_THEN_BAD_KEY = dataclasses.replace(
    _GOOD, refuses=(refuse(always, openai("Incorrect API key provided", None, "invalid_api_key"), 401),)
)

CHANGING = tuple(
    Persona(name, "any server", f"after five requests {differs}", "M", does, then=(5, then), ends=ends)
    for name, differs, does, then, ends in (
        ("then-no-temperature", "refuses `temperature`", "leaves it out from then on", _THEN_NO_TEMPERATURE, {}),
        ("then-no-schema", "refuses `json_schema`", "asks through tools from then on", _THEN_NO_SCHEMA, {}),
        ("then-fenced", "ignores `response_format`", "reads the JSON out of fences", _THEN_FENCED, {}),
        ("then-no-system", "refuses the role `system`", "puts it into the user's message", _THEN_NO_SYSTEM, {}),
        (
            "then-bad-key",
            "refuses the key",
            "stops; what is done is kept",
            _THEN_BAD_KEY,
            {"mine": "OPENAI_API_KEY", "score": "OPENAI_API_KEY"},
        ),
    )
)

STOPPING = tuple(
    Persona(
        name,
        server,
        differs,
        source,
        does,
        refuses=(refuse(always, body, status, content_type=kind),),
        ends={"*": ends},
    )
    for name, server, differs, source, does, body, status, kind, ends in (
        (
            "error-string",
            "gateways",
            "`error` is a string",
            "M",
            "stops, with the server's words",
            {"error": "model is overloaded with regret"},
            400,
            "application/json",
            "HTTP 400|refuses every request",
        ),
        (
            "detail-string",
            "FastAPI",
            "`detail` is a string",
            "M",
            "likewise",
            {"detail": "Only text models are served here"},
            400,
            "application/json",
            "HTTP 400|refuses every request",
        ),
        (
            "too-large",
            "nginx",
            "HTTP 413 and a page",
            "D https://nginx.org/en/docs/http/ngx_http_core_module.html#client_max_body_size",
            "stops and says so",
            _HTML.format("413 Request Entity Too Large"),
            413,
            "text/html",
            "413",
        ),
        (
            "bad-gateway",
            "nginx",
            "HTTP 502 and a page, always",
            "M",
            "stops after five questions",
            _HTML.format("502 Bad Gateway"),
            502,
            "text/html",
            "HTTP 502",
        ),
        (
            "login-page",
            "proxies of a hospital",
            "HTTP 200 and a page to log in",
            "M",
            "stops and says that it is no completion",
            _HTML.format("Log in"),
            200,
            "text/html",
            "no completion|HTML|--base-url",
        ),
        (
            "bad-key",
            "OpenAI",
            "HTTP 401",
            "D https://platform.openai.com/docs/guides/error-codes",
            "stops and names the key",
            openai("Incorrect API key provided: sk-x.", None, "invalid_api_key"),
            401,
            "application/json",
            "OPENAI_API_KEY",
        ),
        (
            "region",
            "OpenAI",
            "HTTP 403: unsupported country",
            "D https://platform.openai.com/docs/guides/error-codes",
            "stops and says so",
            openai("Country, region, or territory not supported", None, "unsupported_country_region_territory"),
            403,
            "application/json",
            "403",
        ),
        (
            "quota",
            "OpenAI",
            "HTTP 429: no quota",
            "D https://platform.openai.com/docs/guides/error-codes",
            "stops and says so",
            openai("You exceeded your current quota", None, "insufficient_quota"),
            429,
            "application/json",
            "quota",
        ),
    )
)

ADDRESSES = (
    Persona(
        "without-v1",
        "any server",
        "the user left out `/v1`: HTTP 404",
        "M",
        "names `--base-url`",
        base="",
        ends={"*": "--base-url"},
        may_succeed=True,
    ),
    Persona(
        "with-endpoint",
        "any server",
        "the user gave the whole address of `/chat/completions`",
        "M",
        "names `--base-url`",
        base="/v1/chat/completions",
        ends={"*": "--base-url"},
        may_succeed=True,
    ),
)

SHAPES = (
    Persona(
        "alternating",
        "Mistral's templates",
        "user and assistant have to take turns",
        f"D {_GH}/kubeai-project/kubeai/issues/499",
        "taken",
        refuses=(
            refuse(
                not_alternating,
                vllm("After the optional system message, conversation roles must alternate user/assistant/..."),
            ),
        ),
    ),
    Persona(
        "no-strict",
        "servers that check fields",
        "refuses `strict` in a schema",
        "M",
        "leaves it out, or asks in another way",
        refuses=(
            refuse(
                lambda request: '"strict":' in json.dumps([request.get("response_format"), request.get("tools")]),
                {
                    "detail": [
                        {
                            "type": "extra_forbidden",
                            "loc": ["body", "response_format", "json_schema", "strict"],
                            "msg": "Extra inputs are not permitted",
                            "input": True,
                        }
                    ]
                },
                422,
            ),
        ),
    ),
    Persona(
        "nothing-but-messages",
        "the smallest servers",
        "refuses every option, one after the other",
        "M",
        "leaves all out",
        refuses=tuple(
            refuse(has(name), unsupported_parameter(name))
            for name in ("temperature", "seed", "max_completion_tokens", "max_tokens", "response_format", "tools")
        ),
        binds=PLAIN,
    ),
)

ERRING = (
    Persona(
        "errs-once",
        "models in general",
        "quotes wrongly, and rightly when it is asked again",
        "M",
        "asks again",
        errs=True,
        may_pay_more=FEW,
    ),
    Persona(
        "errs-once-alternating",
        "Mistral's templates",
        "likewise; roles have to take turns and the user has the last word",
        f"D {_GH}/kubeai-project/kubeai/issues/499",
        "asks again as the user",
        refuses=(
            refuse(not_alternating, vllm("After the optional system message, conversation roles must alternate.")),
            refuse(ending_with_assistant, vllm("Expected last role User or Tool for serving but got assistant")),
        ),
        errs=True,
        may_pay_more=FEW,
    ),
    Persona(
        "errs-once-no-tool-role",
        "servers with tools and no role `tool`",
        "likewise; only tools bind, and the role `tool` is refused",
        "M",
        "asks again as the user",
        refuses=(
            _REFUSES_SCHEMA,
            refuse(role("tool"), vllm("Only user, assistant and system roles are supported!")),
        ),
        errs=True,
        may_pay_more=FEW,
    ),
)

HABITS = (*ERRING, *WORDINGS, *WRAPPINGS, *PASSING, *CHANGING, *STOPPING, *ADDRESSES, *SHAPES)
