"""How long a context is and how much a request needs, as far as a refusal says so."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cxr.miner.llm.numbers import count

_MOST_TOKENS = 10**9
_TOO_LONG = (
    "context length",
    "context window",
    "context size",
    "context_length",
    "context overflow",
    "context the overflow",
    "prompt is too long",
    "too many tokens",
    "tokens exceed",
    "token count",
    "maximum number of tokens",
    "`inputs` tokens",
    "reduce the length of the messages",
    "input is too long",
    "maximum input length",
    "tokens to keep from the initial prompt",
)
TOO_LONG_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})
# Here the number is the prompt's alone, which no shorter reply makes fit.
_PROMPT_ALONE = ("keep the first", "tokens to keep from", "prompt is too long")
_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?![\w.]\d)|(?<![\w.])\d{2,9}(?![\w]|\.\d)")
_LIMITS = (
    re.compile(r"context length (?:is|of)(?: only)? (\d+)"),
    re.compile(r"(?:context (?:size|length|window)|maximum)\W{1,3}(?:of |is |= ?)?(\d+)"),
    re.compile(r"n_ctx\W+(\d+)"),
    re.compile(r"(?:<=|> ) ?(\d+)"),
    re.compile(r"(\d+) (?:maximum|max)\b"),
    re.compile(r"(?:allowed|maximum number of tokens)[^\d]{0,20}(\d+)"),
)


def context_of(errors: Iterable[Mapping[str, Any]], message: str) -> tuple[int, int] | None:
    """Return what the context holds and what is needed, 0 where that is not said; None for another error.

    Of a prompt that does not fit by itself the need is not said: with what reply it was counted is not known.
    """
    errors = list(errors)
    codes = {said for error in errors for said in (error.get("code"), error.get("type")) if isinstance(said, str)}
    if not sounds_too_long(message) and codes.isdisjoint(TOO_LONG_CODES):
        return None
    for error in errors:
        if limit := count(error.get("n_ctx"), _MOST_TOKENS):  # llama.cpp tells the prompt's tokens beside it
            return limit, 0
    numbers = [int(found.replace(",", "")) for found in _NUMBER.findall(message)]
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", message.lower())
    limit = next((int(found.group(1)) for pattern in _LIMITS if (found := pattern.search(plain))), 0)
    if any(phrase in message.lower() for phrase in _PROMPT_ALONE):
        return limit, 0
    needed = max((number for number in numbers if number > limit), default=0) if limit else 0
    return limit, needed


def sounds_too_long(message: str) -> bool:
    """Return whether a server's words are about a context that is too short."""
    words = message.lower()
    return any(phrase in words for phrase in _TOO_LONG)
