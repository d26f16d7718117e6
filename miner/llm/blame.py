"""Which part of a request a server's refusal is about: by the parameter that it names, else by its words."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cxr.miner.llm.capabilities import NOT_SENT, Part, Takes
from cxr.miner.llm.refusals import Refusal, Trouble
from cxr.miner.llm.wire import WireReply

_DEEPEST = 6
_LONGEST = 4000
# Refusals that no other form of the same request would meet with less.
_NOT_THE_FORM = frozenset(
    {Trouble.KEY, Trouble.CREDIT, Trouble.BUSY, Trouble.FILTER, Trouble.MODEL, Trouble.GENERATED, Trouble.CONTEXT}
)
_ABOUT_LENGTH = r"max_completion_tokens|max_(?:new_|output_)?tokens|maxOutputTokens"
_ABOUT_SCHEMA = (
    r"additional_?properties|\$defs|\$ref|any_?of|max_?(?:length|items)|min_?items|json[ _-]?schemas?|response_schema"
    r"|strict|structured[ _-]?outputs?|guided|grammar|enum"
)
_ABOUT_BOUNDS = re.compile(r"(?<![a-z])(?:max|min)_?(?:length|items)(?![a-z])", re.IGNORECASE)
_ABOUT_TOOLS = r"tools?|tool_choice|functions?|function_declarations|function[ _-]calling|tool use"
_ABOUT_ROLE = (
    r"(?:system|developer)['\"`]?[ _-]?(?:role|message|prompt|instruction)s?|roles?[^.]{0,40}\b(?:system|developer)\b"
    r"|roles must alternate|messages\[?\.?\d*\]?\.role"
)
_TOO_LARGE = re.compile(
    r"too (?:large|high)|at most|less than|exceed|greater than|maximum|<=|range|must be", re.IGNORECASE
)


def is_eligible(said: Refusal) -> bool:
    """Return whether the same request in another form may fare better."""
    return said.trouble not in _NOT_THE_FORM and said.status not in {408, 409, 425, 429}


def blamed(reply: WireReply, said: Refusal, takes: Takes) -> frozenset[Part]:
    """Return the parts of a request, as it was put, that a refusal names; none where it names none.

    A field that names the parameter counts before the words of a message, and a name in quotes before any other word.
    """
    body, head = reply.json(), _head(said.message)
    # The parameter is then the whole schema, of which most may be said.
    if takes.bounds != NOT_SENT and _ABOUT_BOUNDS.search(head):
        return frozenset({Part.BOUNDS})
    meant = _meant(_names(body, 0), takes)
    if not meant:
        quoted = re.findall(r"['\"`]([\w.\[\]$]{2,60})['\"`]", head)
        meant = _meant(quoted, takes) or _meant([head], takes)
    return meant


def named_in(reply: WireReply, said: Refusal, options: Iterable[str]) -> str | None:
    """Return the first of some options that a refusal names, None where it names none of them."""
    words = " ".join([*_names(reply.json(), 0), _head(said.message)])
    return next((option for option in options if re.search(rf"(?<!\w){re.escape(option)}(?!\w)", words)), None)


def longest_in(said: Refusal, asked: int) -> int | None:
    """Return the longest reply that a refusal of a longer one allows, None where it says none."""
    words = _head(said.message)
    if not re.search(
        r"too large|too high|at most|less than|exceed|greater than|maximum|<=|range|must be", words, re.IGNORECASE
    ):
        return None
    numbers = [int(found.replace(",", "")) for found in re.findall(r"(?<![\w.])\d[\d,]{1,9}(?![\w.]\d)", words)]
    return max((number for number in numbers if 1 < number < asked), default=None)


def prompt_in(said: Refusal) -> int | None:
    """Return the tokens that a refusal counts in the prompt alone, None where it does not say so."""
    counted = r"(\d+) (?:input tokens|in the messages|in your prompt|prompt tokens|`inputs` tokens)"
    # LM Studio counts the prompt alone: what it could not keep.
    found = re.search(counted, said.message) or re.search(r"keep the first (\d+) tokens", said.message)
    return int(found.group(1)) if found else None


def _meant(names: Iterable[str], takes: Takes) -> frozenset[Part]:
    """Return the parts that names stand for, of those that were sent."""
    text = " ".join(names)
    shape = {"json_schema": rf"response_format|text\.format|json_object|json mode|{_ABOUT_SCHEMA}"}
    shape["json_object"] = r"response_format|json[ _-]object|json mode|structured"
    shape["tools"] = f"{_ABOUT_TOOLS}|{_ABOUT_SCHEMA}"
    patterns: Mapping[Part, str | None] = {
        Part.RESPONSE_FORMAT: shape.get(takes.response_format),
        Part.SYSTEM: None if takes.system == "user" else _ABOUT_ROLE,
        Part.LENGTH: None if takes.length == NOT_SENT else _length(text, takes.length),
        Part.TEMPERATURE: None if takes.temperature == NOT_SENT else r"temperature",
        Part.SEED: None if takes.seed == NOT_SENT else r"(?:random_)?seed",
    }
    found = (
        part
        for part, about in patterns.items()
        if about and re.search(rf"(?<!\w)(?:{about})(?!\w)", text, re.IGNORECASE)
    )
    return frozenset(found)


def _length(text: str, sent: str) -> str:
    """Return what stands for the length: the option's own name where several are told, one of them as a help.

    Servers know max_completion_tokens as max_tokens inside; nobody does so the other way round.
    """
    own = re.search(rf"\b{sent}\b", text) or re.search(r"\bmax_completion_tokens\b", text)
    return sent if own else _ABOUT_LENGTH


def _head(message: str) -> str:
    """Return what a message says itself: what follows a brace is the request or a reply, come back."""
    return message[:_LONGEST].partition("{")[0]


def _names(said: Any, depth: int) -> Iterator[str]:
    """Yield what the fields of a body name as at fault, wherever they are."""
    if depth > _DEEPEST:
        return
    if isinstance(said, str):
        yield from _names_in(said, depth)
    elif isinstance(said, list):
        for one in said[:16]:
            yield from _names(one, depth + 1)
    elif isinstance(said, dict):
        for key, value in said.items():
            if key in {"param", "field"} and isinstance(value, str) and len(value) < 120:
                yield value
            elif key == "loc" and isinstance(value, list | tuple):
                yield ".".join(str(part) for part in value if part != "body")
            elif key in {"error", "errors", "message", "detail", "details", "fieldViolations", "metadata", "raw"}:
                yield from _names(value, depth + 1)


def _names_in(message: str, depth: int) -> Iterator[str]:
    """Yield the names in a message that is, or ends with, a list of errors, in JSON or in Python's words."""
    for loc in re.findall(r"['\"]loc['\"]: ?[\[(]([^\])]{1,120})[\])]", message[:_LONGEST]):
        yield ".".join(part.strip(" '\"") for part in loc.split(",") if part.strip(" '\"") not in {"", "body"})
    yield from re.findall(r"[Uu]nknown name \\?\"(\w{1,60})\\?\"", message[:_LONGEST])
    start = min((at for sign in "[{" if (at := message.find(sign)) >= 0), default=-1)
    if start >= 0 and '"messages"' not in message:
        try:
            yield from _names(json.loads(message[start:]), depth + 1)
        except (ValueError, RecursionError):
            return
