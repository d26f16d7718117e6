"""Typed replies: what a request says of a reply's shape, and instructor's words for sending one back.

instructor as it comes spends 0.9 ms of its 0.95 ms a call on building a response class, its JSON schema and a walk
over all of its attributes. Its handlers, which `instructor.v2` publishes, write the message that sends a failed reply
back; what a reply holds is read by `cxr.miner.llm.reading`, which finds it in more places than they do. Two things that
instructor would do are kept out on purpose: it renders messages as Jinja templates when it gets a `context`, which
would execute what stands in a report, and it logs what it could not validate, which can be report text.
"""

import logging
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Generic, TypeVar

from instructor.v2 import Mode, Provider, mode_registry
from openai import pydantic_function_tool
from openai.types.chat import ChatCompletion

from cxr.miner.llm.reading import read
from cxr.prompts import Reply
from cxr.schemas.rejection import Rejection

R = TypeVar("R", bound=Reply)

_MODES = {"json_schema": Mode.JSON_SCHEMA, "tools": Mode.TOOLS}
for _library in ("instructor", "openai"):
    logging.getLogger(_library).setLevel(logging.CRITICAL + 1)


class Typed(Generic[R]):
    """One reply type in one mode: what a request must say of it, and how a completion is read."""

    def __init__(self, reply_type: type[R], mode: str) -> None:
        self._handlers = mode_registry.get_handlers(Provider.OPENAI, _MODES[mode])
        self._reply_type = reply_type
        self.request = _strict_request(reply_type, mode)

    def parse(self, completion: ChatCompletion, check: Callable[[R], Rejection | None]) -> R:
        """Return the reply; raises Unread where it does not fit its type or fails the check."""
        return read(completion, self._reply_type, check)

    def ask_again(self, request: Mapping[str, Any], completion: ChatCompletion, error: Exception) -> dict[str, Any]:
        """Return the request that shows the model its reply and what is wrong with it."""
        kwargs = {**request, "messages": list(request["messages"])}
        again: dict[str, Any] = self._handlers.reask_handler(kwargs=kwargs, response=completion, exception=error)
        return again


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
