"""Attempts at a request: the row of each, what a failed one costs, and how long it rests before the next."""

import itertools
import os
import random
import time
from dataclasses import dataclass

from cxr.miner.kit.machine import utc_now
from cxr.miner.llm.asked import Asked
from cxr.schemas.call import Call

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 60.0
FREE: dict[str, object] = {"prompt_tokens": 0, "completion_tokens": 0, "cost_usd": 0.0}
"""What a server takes for what it refuses."""


@dataclass
class Counters:
    """What a run has done so far, for people."""

    calls: int = 0
    cached: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    in_flight: int = 0


class Attempts:
    """Makes the rows of a run's attempts, each with an id of its own."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._ids = f"{time.time_ns():x}{os.getpid():x}"
        self._numbers = itertools.count(1)

    def call(self, asked: Asked, key: str, *, cache_hit: bool = False) -> Call:
        """Return the row of an attempt that begins now, or of a reply that was in the cache."""
        nothing = 0 if cache_hit else None
        # Built from our own values at every call: checking them again would cost more than making them.
        return Call.model_construct(
            call_id=f"{self._ids}-{next(self._numbers):x}",
            stage=asked.prompt.name,
            question_id=asked.question_id,
            model=self._model,
            prompt_name=asked.prompt.name,
            prompt_version=asked.prompt.version,
            prompt_hash=asked.prompt.hash,
            request_hash=key,
            attempt=asked.attempts,
            cache_hit=cache_hit,
            prompt_tokens=nothing,
            completion_tokens=nothing,
            cost_usd=0.0 if cache_hit else None,
            latency_s=0.0,
            called_at=utc_now(),
        )


def failed(call: Call, failure: Exception, seconds: float) -> Call:
    """Return a failed attempt's call: free where the server refused, of unknown cost where the line broke."""
    kind = getattr(failure, "kind", None) or str(failure).partition(";")[0]
    update: dict[str, object] = {"error": kind, "latency_s": seconds, "called_at": utc_now()}
    if getattr(failure, "billed", False) is False:
        update |= FREE
    return call.model_copy(update=update)


def wait_s(asked: Asked) -> float:
    """Return the seconds before the next try: random and growing, so that a server that comes back is not stormed.

    After a 429 the pace makes everybody wait; this is the least that one request waits whatever the server says, so
    that no answer of a server, and no mix of answers, makes us ask it without a rest.
    """
    longest = min(_FIRST_WAIT_S * 2.0 ** min(asked.faltered + asked.throttled, 20), _LONGEST_WAIT_S)
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, hides nothing
