"""The same request in the form that a server takes.

A request is written once, as a server would get it that takes everything: that is what the reply cache knows it by.
What leaves is made of it here: other words for the length, no seed, the system's words in the user's message, the
schema as a tool or in words.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from cxr.miner.llm.budget import BYTES_PER_TOKEN
from cxr.miner.llm.cache import request_hash
from cxr.miner.llm.capabilities import NOT_SENT, Takes
from cxr.prompts.guide import unbounded
from cxr.prompts.schema_words import in_words

BAREST = Takes("plain", "user", NOT_SENT, NOT_SENT, NOT_SENT, NOT_SENT)
"""The form that every server takes which serves chat completions at all."""
# A reply that is cut off sooner is worth nothing: with less room than this the server shall say that it is too long.
LEAST_REPLY = 256
# Tokens of a prompt are guessed here, and cost nothing where the guess is too high by as much.
_GUESS_IS_SHORT = 1.25


class Written(NamedTuple):
    """A request as it is written, for a server that takes everything: what the reply cache knows it by."""

    request: Mapping[str, Any]
    body: bytes
    key: str

    @classmethod
    def of(cls, request: Mapping[str, Any], response_format: str) -> "Written":
        """Return a request that was written for json_schema or tools, in the form that the user has set."""
        if response_format in {"json_object", "plain"}:
            request = put(request, Takes(response_format=response_format))
        body = as_json(request)
        return cls(request, body, request_hash(body))

    @property
    def is_bare(self) -> bool:
        """Whether it holds nothing that could be said otherwise, so that a refusal teaches nothing."""
        return as_json(put(self.request, BAREST)) == self.body

    def sent(self, takes: Takes, room: int | None = None, prompt_tokens: float | None = None) -> "Sent":
        """Return the request as it leaves for a server; `room` is the longest reply that is known to fit."""
        if takes == Takes() and room is None:
            return Sent(self.key, self.body, takes)
        if room is None and takes.context_length is not None:
            asked = len(self.body) / BYTES_PER_TOKEN if prompt_tokens is None else prompt_tokens
            left = int(takes.context_length - asked * _GUESS_IS_SHORT)
            room = left if left >= LEAST_REPLY else None
        return Sent(self.key, as_json(put(self.request, takes, room)), takes)


class Sent(NamedTuple):
    """A request as it leaves, what it is known by, and the form that it was put into."""

    key: str
    body: bytes
    takes: Takes


def as_json(request: Mapping[str, Any]) -> bytes:
    """Return a request as bytes; equal requests have equal bytes."""
    return json.dumps(request, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode(
        "utf-8", "surrogatepass"
    )


def put(request: Mapping[str, Any], takes: Takes, room: int | None = None) -> dict[str, Any]:
    """Return a request in the form that a server takes; `room` is the longest reply that its context holds."""
    made = dict(request)
    if takes.temperature == NOT_SENT:
        made.pop("temperature", None)
    if takes.seed == NOT_SENT:
        made.pop("seed", None)
    if (longest := made.pop("max_completion_tokens", None)) is not None and takes.length != NOT_SENT:
        made[takes.length] = min(length for length in (longest, room, takes.longest_reply) if length is not None)
    made = _shaped(made, takes.response_format)
    if takes.bounds == NOT_SENT:
        made |= {name: unbounded(made[name]) for name in ("response_format", "tools") if name in made}
    made["messages"] = _roles(made["messages"], takes.system)
    return made


def _shaped(request: dict[str, Any], form: str) -> dict[str, Any]:
    """Return a request for a typed reply, written for json_schema, with its schema said in another form."""
    shape = request.get("response_format")
    asked = shape.get("json_schema") if isinstance(shape, dict) else None
    if asked is None or form == "json_schema":
        return request
    made = {name: value for name, value in request.items() if name != "response_format"}
    if form == "tools":
        function = {"name": asked["name"], "parameters": asked["schema"], "strict": True}
        if about := asked["schema"].get("description"):
            function["description"] = about
        choice = {"type": "function", "function": {"name": asked["name"]}}
        return {**made, "tools": [{"type": "function", "function": function}], "tool_choice": choice}
    if form == "json_object":
        made["response_format"] = {"type": "json_object"}
    made["messages"] = _with_schema(made["messages"], in_words(asked["schema"]))
    return made


def _with_schema(messages: Iterable[Mapping[str, Any]], words: str) -> list[dict[str, Any]]:
    """Return messages whose first one ends with the schema: a beginning that stays the same is billed as cached."""
    first, *rest = map(dict, messages)
    if first["role"] != "system":
        return [{"role": "system", "content": words}, first, *rest]
    return [{**first, "content": f"{first['content']}\n\n{words}"}, *rest]


def _roles(messages: Iterable[Mapping[str, Any]], role: str) -> list[dict[str, Any]]:
    """Return messages whose instructions stand under the role that the server knows."""
    made = [dict(message) for message in messages]
    if role == "system":
        return made
    if role == "developer":
        return [{**message, "role": role} if message["role"] == "system" else message for message in made]
    instructions = "\n\n".join(str(message["content"]) for message in made if message["role"] == "system")
    spoken = [message for message in made if message["role"] != "system"]
    if instructions:
        at = next((number for number, message in enumerate(spoken) if message["role"] == "user"), None)
        if at is None:
            return [{"role": "user", "content": instructions}, *spoken]
        spoken[at] = {**spoken[at], "content": _before(instructions, spoken[at]["content"])}
    return spoken


def _before(instructions: str, content: Any) -> Any:
    if isinstance(content, list):
        return [{"type": "text", "text": instructions}, *content]
    return f"{instructions}\n\n{content}"
