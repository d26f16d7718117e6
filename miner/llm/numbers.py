"""Numbers that a server sends: each is finite and in its range, or it was not said.

A server may be broken, or somebody else's; what it says of waits, limits and usage steers how fast it is asked and what
is booked as paid, and never may it make us ask without a rest, spend below nothing, or end in an error.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from cxr.schemas.call import MOST_TOKENS

# Nobody means a longer wait than a month; who says a day is believed, and the run ends with that.
MOST_SECONDS = 31 * 86400.0
# A limit below one request a minute, or below the tokens of one small request a minute, would be no service.
_REQUESTS_A_MINUTE = (1.0, 1e9)
_TOKENS_A_MINUTE = (1000.0, 1e12)
_MOST_LEFT = 1e12
MOST_LINES = 1_000_000
"""Of a batch: twenty times what a file may hold."""

_LONGEST = 40
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)


def number(said: object, least: float, most: float) -> float | None:
    """Return a number, given as such or as text, where it lies in the range; None for anything else."""
    if isinstance(said, str):
        if len(said) > _LONGEST:
            return None
        try:
            said = float(said)
        except ValueError:
            return None
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return float(said) if least <= said <= most else None  # a comparison with what is no number is false


def count(said: object, most: int) -> int | None:
    """Return a whole number from 0 to `most`; None for anything else."""
    value = number(said, 0, most) if not isinstance(said, str) else None
    return int(value) if value is not None and value.is_integer() else None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a server asks to wait, said in milliseconds, seconds or as a date; None if it does not."""
    if (in_ms := number(headers.get("retry-after-ms"), 0, MOST_SECONDS * 1000)) is not None:
        return in_ms / 1000
    said = headers.get("retry-after")
    if said is None or len(said) > _LONGEST:
        return None
    if (seconds := number(said, 0, MOST_SECONDS)) is not None:
        return seconds
    try:
        at = parsedate_to_datetime(said)
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return number(max(seconds, 0.0), 0, MOST_SECONDS)


def duration_s(said: str | None) -> float | None:
    """Return the seconds of a reset header: "120ms", "6m0s", or plain seconds; None for anything else."""
    if said is None or len(said) > _LONGEST:
        return None
    if (plain := number(said, 0, MOST_SECONDS)) is not None:
        return plain
    parts = _DURATION.findall(said)
    if not parts or "".join(amount + unit for amount, unit in parts) != said.strip():
        return None
    return number(sum(float(amount) * _UNITS[unit] for amount, unit in parts), 0, MOST_SECONDS)


def requests_a_minute(headers: Mapping[str, str]) -> float | None:
    """Return the limit of requests a minute that a reply names, None where it names none."""
    return number(headers.get("x-ratelimit-limit-requests"), *_REQUESTS_A_MINUTE)


def tokens_a_minute(headers: Mapping[str, str]) -> float | None:
    """Return the limit of tokens a minute that a reply names, None where it names none."""
    return number(headers.get("x-ratelimit-limit-tokens"), *_TOKENS_A_MINUTE)


def left_of(kind: str, headers: Mapping[str, str]) -> float | None:
    """Return how many requests or tokens a reply says are left, None where it does not."""
    return number(headers.get(f"x-ratelimit-remaining-{kind}"), 0, _MOST_LEFT)


def usage(said: object) -> dict[str, Any] | None:
    """Return what a reply says of tokens as OpenAI would say it; None where either count is absurd or missing.

    Cached tokens that are more than there were, or no number, are left out, so that the full price counts; tokens of
    thought likewise. DeepSeek says what was cached beside the other counts.
    """
    if not isinstance(said, dict):
        return None
    asked, answered = (count(said.get(name), MOST_TOKENS) for name in ("prompt_tokens", "completion_tokens"))
    if asked is None or answered is None:
        return None
    cached = _detail(said, "prompt_tokens_details", "cached_tokens", asked)
    if cached is None:
        cached = count(said.get("prompt_cache_hit_tokens"), asked)
    reasoning = _detail(said, "completion_tokens_details", "reasoning_tokens", answered)
    told: dict[str, Any] = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
    if cached is not None:
        told["prompt_tokens_details"] = {"cached_tokens": cached}
    if reasoning is not None:
        told["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return told


def _detail(said: dict[Any, Any], where: str, name: str, most: int) -> int | None:
    details = said.get(where)
    return count(details.get(name), most) if isinstance(details, dict) else None
