"""What servers refuse, and the bodies that their families of software refuse it with."""

import json
from collections.abc import Callable
from typing import Any

from tests.personas.model import words
from tests.personas.persona import Refusal, Request

When = Callable[[Request], bool]


def has(name: str) -> When:
    """Whether an option is sent at all."""
    return lambda request: name in request


def not_default_temperature(request: Request) -> bool:
    """Whether a temperature other than 1 is sent."""
    return bool(request.get("temperature", 1) != 1)


def form(kind: str) -> When:
    """Whether JSON is asked for in this way."""
    return lambda request: (request.get("response_format") or {}).get("type") == kind


def role(name: str) -> When:
    """Whether a message has this role."""
    return lambda request: any(message["role"] == name for message in request["messages"])


def forced_tool(request: Request) -> bool:
    """Whether one tool is demanded by name."""
    return isinstance(request.get("tool_choice"), dict)


def not_alternating(request: Request) -> bool:
    """Whether user and assistant, after a system message, do not take turns, beginning with the user."""
    roles = [message["role"] for message in request["messages"] if message["role"] != "system"]
    return any(role != ("user", "assistant")[number % 2] for number, role in enumerate(roles))


def with_image(request: Request) -> bool:
    """Whether a message holds an image."""
    return any(
        part.get("type") == "image_url"
        for message in request["messages"]
        if isinstance(message.get("content"), list)
        for part in message["content"]
    )


def bare_tool_calls(request: Request) -> bool:
    """Whether a tool call of the assistant is repeated without the thoughts that led to it."""
    return any(message.get("tool_calls") and "reasoning_content" not in message for message in request["messages"])


def ending_with_assistant(request: Request) -> bool:
    """Whether the last word is the assistant's."""
    return bool(request["messages"][-1]["role"] == "assistant")


def in_schema(keyword: str) -> When:
    """Whether a schema that is sent, in whichever way, has this keyword."""
    return lambda request: f'"{keyword}":' in json.dumps([request.get("response_format"), request.get("tools")])


def longer_than(characters: int) -> When:
    """Whether the messages are longer than a window."""
    return lambda request: sum(len(words(message)) for message in request["messages"]) > characters


def longest(tokens: int) -> When:
    """Whether a reply of more tokens is asked for, or one of any length."""
    return lambda request: int(request.get("max_completion_tokens") or request.get("max_tokens") or 10**9) > tokens


def always(_: Request) -> bool:
    """Every request."""
    return True


# --- bodies -------------------------------------------------------------------------------------------------------


def openai(message: str, param: str | None = None, code: str | None = None, **more: Any) -> dict[str, Any]:
    """Return OpenAI's error body."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code, **more}}


def unsupported_value(name: str, default: int = 1) -> Callable[[Request], object]:
    """Return OpenAI's body for a value that this model does not take."""
    return lambda request: openai(
        f"Unsupported value: '{name}' does not support {request[name]} with this model. Only the default ({default}) "
        "value is supported.",
        name,
        "unsupported_value",
    )


def unsupported_parameter(name: str, instead: str | None = None) -> dict[str, Any]:
    """Return OpenAI's body for an option that this model does not take."""
    hint = f" Use '{instead}' instead." if instead else ""
    return openai(
        f"Unsupported parameter: '{name}' is not supported with this model.{hint}", name, "unsupported_parameter"
    )


def extra_forbidden(name: str) -> Callable[[Request], list[dict[str, Any]]]:
    """Return pydantic's list of errors for a field that is not known."""
    return lambda request: [
        {
            "type": "extra_forbidden",
            "loc": ["body", name],
            "msg": "Extra inputs are not permitted",
            "input": request.get(name),
        }
    ]


def vllm(message: str, code: int = 400, kind: str = "BadRequestError") -> dict[str, Any]:
    """Return vLLM's error body, which has no `error` around it in older versions."""
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


def vllm_new(message: str, code: int = 400, kind: str = "BadRequestError") -> dict[str, Any]:
    """Return vLLM's error body as newer versions send it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def refuse(when: When, body: object, status: int = 400, *, times: int | None = None, **headers: str) -> Refusal:
    """Return a refusal; names of headers have underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Refusal(when, status, body, times, named)


def only(*ways: str) -> frozenset[str]:
    """Return the ways of asking for JSON that bind a model."""
    return frozenset(ways)


NOTHING = only()
"""No way of asking for JSON binds the model."""
