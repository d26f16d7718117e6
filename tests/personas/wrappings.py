"""How servers and gateways wrap a completion."""

import gzip
import json
from typing import Any

from tests.personas.persona import Completion, Message, Persona, Request, Wrap
from tests.personas.refusing import form, openai, refuse


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


def _finish(word: object) -> Wrap:
    def change(completion: Completion, _: Request) -> Completion:
        completion["choices"][0]["finish_reason"] = word
        return completion

    return change


def _usage(said: object) -> Wrap:
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
    """Answer in the form of the older endpoint, which knows no tools."""
    message = completion["choices"][0]["message"]
    text = message["content"] or message["tool_calls"][0]["function"]["arguments"]
    return completion | {"choices": [{"index": 0, "text": text, "finish_reason": "stop"}]}


def _gzip(completion: Completion, _: Request) -> bytes:
    return gzip.compress(json.dumps(completion).encode())


_REFUSES_SCHEMA = refuse(
    form("json_schema"), openai("response_format of type json_schema is not supported", "response_format")
)


WRAPPINGS = (
    *(
        Persona(name, "gateways", differs, source, "read", body=body)
        for name, differs, body, source in (
            ("finish-null", "`finish_reason` null", _finish(None), "M"),
            ("finish-eos", "`finish_reason` `eos_token`", _finish("eos_token"), "M"),
            ("finish-end-turn", "`finish_reason` `end_turn`", _finish("end_turn"), "M"),
            ("finish-capitals", "`finish_reason` `STOP`", _finish("STOP"), "M"),
            ("usage-null", "`usage` null", _usage(None), "M"),
            ("usage-words", "counts as strings", _usage({"prompt_tokens": "100", "completion_tokens": "10"}), "M"),
            ("usage-absurd", "10^30 tokens, and -5", _usage({"prompt_tokens": 10**30, "completion_tokens": -5}), "M"),
            (
                "other-model",
                "another model's name in the reply",
                _other_model,
                "M",
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
        "M",
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
