"""A reply's body as a completion, whatever else the server wrote into it."""

import json
from typing import Any

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion
from pydantic import ValidationError

from cxr.miner.llm.failures import Passing
from cxr.miner.llm.numbers import usage

_LONGEST_INT = 20


def read_completion(text: str) -> ChatCompletion:
    """Return a completion with usage that can be booked, or none; raises Passing for what is no completion."""
    try:
        completion = ChatCompletion.model_validate_json(text)
    except ValidationError:
        completion = _without_numbers(text)
    if not completion.choices:
        raise Passing("a reply without choices", billed=None)
    if completion.usage is not None:
        told = usage(completion.usage.model_dump())
        completion.usage = None if told is None else CompletionUsage.model_validate(told)
    return completion


def _without_numbers(text: str) -> ChatCompletion:
    """Read a completion whose counts or times may be what does not fit: asking again would pay for it twice."""
    try:
        said: Any = json.loads(text, parse_int=_int)
        if isinstance(said, dict):
            said |= {"usage": usage(said.get("usage")), "created": 0}
        return ChatCompletion.model_validate(said)
    except (ValueError, RecursionError):
        raise Passing("a reply that is no completion", billed=None) from None


def _int(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONGEST_INT else None
