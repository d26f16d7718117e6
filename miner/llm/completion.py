"""A reply's body as a completion, whatever else the server wrote into it, or left out."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionMessage
from pydantic import ValidationError

from cxr.miner.llm.failures import Passing
from cxr.miner.llm.numbers import count, usage
from cxr.schemas.vocabulary import THOUGHT_FIELDS

_LONGEST_INT = 20
_MOST_CALLS = 16
_NAME = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,119}", re.ASCII)
_SIGNS = re.compile(r"[\W_]+")
_FINISHES = {
    "length": "length",
    "max_tokens": "length",
    "max_length": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "safety": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
    "refusal": "content_filter",
}
"""What servers call the ends that matter; any other word, or none, is an end in order."""


def read_completion(text: str) -> ChatCompletion:
    """Return a completion with usage that can be booked, or none; raises Passing for what is no completion.

    Its message has content or tool calls as text, its end one of OpenAI's words.
    """
    try:
        completion = ChatCompletion.model_validate_json(text)
    except ValidationError:
        completion = _in_order(text.strip("\ufeff \r\n\t"))
    if not completion.choices:
        raise Passing("a reply without choices", billed=None)
    if completion.usage is not None:
        told = usage(completion.usage.model_dump())
        completion.usage = None if told is None else CompletionUsage.model_validate(told)
    return completion


def thoughts_of(message: ChatCompletionMessage) -> list[object]:
    """Return what stands in the fields of a message's thoughts, whatever it is."""
    return [(message.model_extra or {}).get(name) for name in THOUGHT_FIELDS]


def other_model(completion: ChatCompletion, asked: str) -> str | None:
    """Return the model that a reply says it is from, where that is not the one that was asked for.

    A dated version of it, or a path that ends with it, is the same; a name that is none is not told.
    """
    said = completion.model
    same, wanted = (_SIGNS.sub("", name.rpartition("/")[2].casefold()) for name in (said, asked))
    if not same or not wanted or same.startswith(wanted) or wanted.startswith(same):
        return None
    return said if _NAME.fullmatch(said) else "a name that is none"


def _in_order(text: str) -> ChatCompletion:
    """Read a completion that leaves out, or says otherwise, what we do not need: asking again would pay twice."""
    try:
        said = _streamed(text) if text.lstrip().startswith("data:") else json.loads(text, parse_int=_int)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    if not isinstance(said, dict) or not isinstance(choices := said.get("choices"), list):
        raise Passing("a reply that is no completion", billed=None)
    try:
        return ChatCompletion.model_validate(
            {
                "id": _word(said.get("id")),
                "object": "chat.completion",
                "created": 0,
                "model": _word(said.get("model")),
                "choices": [_choice(choice) for choice in choices if isinstance(choice, dict)],
                "usage": usage(said.get("usage")),
            }
        )
    except (ValueError, RecursionError):
        raise Passing("a reply that is no completion", billed=None) from None


def _choice(said: Mapping[str, Any]) -> dict[str, Any]:
    message = said.get("message", said.get("delta", said.get("text")))
    if not isinstance(message, dict):
        message = {"content": message}
    content, thoughts = _content(message.get("content"))
    thoughts = [*thoughts, *(part for name in THOUGHT_FIELDS if isinstance(part := message.get(name), str))]
    refusal = message.get("refusal")
    finish = said.get("finish_reason")
    word = _word(finish).partition(":")[0].strip().lower()
    return {
        "index": 0,
        "finish_reason": "content_filter" if word.startswith("content_filter") else _FINISHES.get(word, "stop"),
        "message": {
            "role": "assistant",
            "content": content,
            "refusal": refusal if isinstance(refusal, str) else None,
            "tool_calls": list(_calls(message)) or None,
            **({"reasoning_content": "\n".join(thoughts)} if thoughts else {}),
        },
    }


def _content(said: Any) -> tuple[str | None, list[str]]:
    """Return what a content says, and the thoughts among its parts."""
    if said is None or isinstance(said, str):
        return said, []
    if isinstance(said, dict) and "type" not in said:
        return json.dumps(said), []  # the object itself, unwritten
    parts = said if isinstance(said, list) else [said]
    texts: list[str] = []
    thoughts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and isinstance(kind := part.get("type"), str):
            inner = next((part[name] for name in ("text", "content", "thinking", "reasoning") if part.get(name)), None)
            words = _content(inner)[0] if not isinstance(inner, bool | int | float) else None
            (thoughts if kind in {"thinking", "reasoning"} else texts).append(words or "")
        else:
            return json.dumps(said), []  # a list that is the answer
    return "".join(texts), [thought for thought in thoughts if thought]


def _calls(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the calls of tools, OpenAI's older kind among them, with their arguments as text."""
    listed = message.get("tool_calls")
    told = [call.get("function", call) for call in listed if isinstance(call, dict)] if isinstance(listed, list) else []
    for number, function in enumerate([*told, message.get("function_call")]):
        if not isinstance(function, dict):
            continue
        given = next((function[name] for name in ("arguments", "input", "parameters") if function.get(name)), "")
        arguments = given if isinstance(given, str) else json.dumps(given)
        named = {"name": _word(function.get("name")), "arguments": arguments}
        yield {"id": f"call_{number}", "type": "function", "function": named}


def _streamed(text: str) -> dict[str, Any]:
    """Return a reply that was sent in pieces, unasked, as one; raises ValueError where that cannot be."""
    whole: dict[str, Any] = {"choices": []}
    message: dict[str, Any] = {}
    finish = None
    for line in text.splitlines():
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data == "[DONE]":
            continue
        piece = json.loads(data, parse_int=_int)
        if not isinstance(piece, dict):
            raise ValueError
        whole |= {name: said for name in ("id", "model", "usage") if (said := piece.get(name)) is not None}
        for choice in piece.get("choices") or ():
            finish = choice.get("finish_reason") or finish
            delta = choice.get("delta") or choice.get("message") or {}
            for name, said in delta.items():
                if isinstance(said, str) and name != "role":
                    message[name] = message.get(name, "") + said
            _go_on(message.setdefault("tool_calls", []), delta.get("tool_calls"))
    if finish is None:
        raise ValueError  # the stream was cut
    return whole | {"choices": [{"message": message, "finish_reason": finish}]}


def _go_on(calls: list[dict[str, str]], pieces: object) -> None:
    """Add pieces of tool calls, which say by number to which call they belong, to the calls so far."""
    for piece in pieces if isinstance(pieces, list) else ():
        function = piece.get("function") if isinstance(piece, dict) else None
        if not isinstance(function, dict):
            continue
        number = count(piece.get("index"), _MOST_CALLS) or 0
        while len(calls) <= number:
            calls.append({"name": "", "arguments": ""})
        for name in ("name", "arguments"):
            calls[number][name] += _word(function.get(name))


def _word(said: object) -> str:
    return said if isinstance(said, str) else ""


def _int(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONGEST_INT else None
