"""Typed replies: what a request says of a reply's shape, and how the reply is read.

instructor as it comes spends 0.9 ms of its 0.95 ms a call on building a response class, its JSON schema and a walk
over all of its attributes. Its handlers, which `instructor.v2` publishes, read a reply that came as it was asked for;
one in another place or wrapper is read by `reading.py`, and what sends one back that does not fit is in `reasks.py`.
Two things that instructor would do are kept out on purpose: it renders messages as Jinja templates when it gets a
`context`, which would execute what stands in a report, and it logs what it could not validate, which can be report
text.
"""

import logging
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Generic, TypeVar

from instructor import response_schema
from instructor.v2 import Mode, Provider, mode_registry
from openai import pydantic_function_tool
from openai.types.chat import ChatCompletion

from cxr.miner.llm.reading import read
from cxr.prompts import Reply
from cxr.prompts.guide import Guide, guided
from cxr.schemas.rejection import Rejection

R = TypeVar("R", bound=Reply)

# What instructor raises for a reply that came otherwise than it was asked for.
_NOT_AS_ASKED = (ValueError, TypeError, AssertionError, AttributeError, LookupError)
_MODES = {"json_schema": Mode.JSON_SCHEMA, "tools": Mode.TOOLS}
for _library in ("instructor", "openai"):
    logging.getLogger(_library).setLevel(logging.CRITICAL + 1)


class Typed(Generic[R]):
    """One reply type in one mode: what a request must say of it, and how a completion is read."""

    def __init__(self, reply_type: type[R], mode: str) -> None:
        self._handlers = mode_registry.get_handlers(Provider.OPENAI, _MODES[mode])
        self._reply_type = reply_type
        self._model: Any = response_schema(reply_type)
        self.request = _strict_request(reply_type, mode)
        self.request_for = lru_cache(maxsize=512)(self._request_for)

    def parse(self, completion: ChatCompletion, check: Callable[[R], Rejection | None]) -> R:
        """Return the reply; raises Unread where it does not fit its type or fails the check."""
        try:
            reply: R = self._handlers.response_parser(
                response=completion, response_model=self._model, strict=True, stream=False, is_async=True
            )
        except _NOT_AS_ASKED:
            return read(completion, self._reply_type, check)
        return reply if check(reply) is None else read(completion, self._reply_type, check)

    def _request_for(self, guide: Guide, taken: frozenset[str]) -> dict[str, Any]:
        """Return what a request must say of it where a guide bounds the reply, by the keywords that are taken."""
        if "tools" in self.request:
            (tool,) = self.request["tools"]
            function = {**tool["function"], "parameters": guided(tool["function"]["parameters"], guide, taken)}
            return {**self.request, "tools": [{**tool, "function": function}]}
        told = self.request["response_format"]
        schema = {**told["json_schema"], "schema": guided(told["json_schema"]["schema"], guide, taken)}
        return {"response_format": {**told, "json_schema": schema}}


@cache
def typed(reply_type: type[R], mode: str) -> Typed[R]:
    """Return the typed form of a reply class, made once per process."""
    return Typed(reply_type, mode)


def _strict_request(reply_type: type[Reply], mode: str) -> dict[str, Any]:
    """Return the part of a request that asks for a strict schema, which instructor leaves out."""
    name, description = reply_type.__name__, (reply_type.__doc__ or "").strip()
    tool: Any = pydantic_function_tool(reply_type, name=name, description=description)
    if mode == "json_schema":
        schema = {"name": name, "schema": tool["function"]["parameters"], "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    return {"tools": [tool], "tool_choice": {"type": "function", "function": {"name": name}}}
