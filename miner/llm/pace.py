"""How fast a server may be asked: limits that the user gave, that the server names, and that its 429s teach.

Requests are spaced evenly, a slot each; tokens likewise. After a 429 everybody waits as long as the server asks, and
the rate halves; with every second without one it creeps up again, towards the known limit or out of sight.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Mapping

from cxr.miner.llm.numbers import duration_s, left_of, requests_a_minute, retry_after_s, tokens_a_minute

_CREEP_PER_S = 1.05
_SLOWEST_PER_S = 1 / 60
# A server without Retry-After gets this much rest after its first 429, twice as much after the next.
_FIRST_REST_S = 1.0
_LONGEST_REST_S = 60.0
# A server that asks for more than this has closed for the day; the run should say so rather than sleep.
LONGEST_PAUSE_S = 3600.0
# What the limit says is the server's; its clock and ours differ, so a little is left unused.
_HEADROOM = 0.98


class Pace:
    """Slots in time; one event loop, any number of tasks."""

    def __init__(self, rpm: float | None, tpm: float | None, concurrency: int) -> None:
        self._given_rps = None if rpm is None else rpm / 60
        self._given_tps = None if tpm is None else tpm / 60
        self._learned_rps: float | None = None
        self._learned_tps: float | None = None
        self._slowed_rps: float | None = None
        self._crept_at = 0.0
        self._next_slot = 0.0
        self._next_token_slot = 0.0
        self._closed_until = 0.0
        self._rest_s = _FIRST_REST_S
        self._window: list[float] = []
        self._concurrency = concurrency
        self._throttled_since: float | None = None
        self._awake = asyncio.Event()

    async def turn(self, tokens: float) -> None:
        """Wait until a request of about this many tokens may leave."""
        now = time.monotonic()
        start = max(now, self._closed_until)
        if (rps := self.requests_per_s()) is not None:
            start = max(start, self._next_slot)
            self._next_slot = start + 1 / rps
        if (tps := _least(self._given_tps, self._learned_tps)) is not None:
            start = max(start, self._next_token_slot)
            self._next_token_slot = start + tokens / tps
        if start > now:
            await self.nap(start - now)
            # Somebody may have been told to wait in the meantime; all sleepers wait it out, spread over a second.
            while (late := self._closed_until - time.monotonic()) > 0 and not self._awake.is_set():
                await self.nap(late + random.random() * min(late, 1.0))  # noqa: S311 - spreads load, hides nothing

    async def nap(self, seconds: float) -> None:
        """Sleep, unless the run is about to end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._awake.wait(), seconds)

    def wake(self) -> None:
        """End all naps, now and from now on: the run is about to end."""
        self._awake.set()

    def requests_per_s(self) -> float | None:
        """Return the rate that holds now, None for as fast as the server answers."""
        if self._slowed_rps is not None:
            now = time.monotonic()
            self._slowed_rps *= _CREEP_PER_S ** max(now - self._crept_at, 0.0)
            self._crept_at = max(now, self._crept_at)
            if self._slowed_rps > 1000:
                self._slowed_rps = None
        return _least(self._given_rps, self._learned_rps, self._slowed_rps)

    def answered(self, headers: Mapping[str, str]) -> None:
        """Learn from a reply's headers."""
        now = time.monotonic()
        self._throttled_since = None
        self._rest_s = _FIRST_REST_S
        self._window.append(now)
        if len(self._window) > 4 * self._concurrency + 16:
            del self._window[: len(self._window) // 2]
        self._learn(headers, now)

    def throttled(self, headers: Mapping[str, str]) -> float:
        """Note a 429 and give the seconds that all requests now wait."""
        now = time.monotonic()
        again = self._throttled_since is not None
        self._throttled_since = self._throttled_since or now
        self._learn(headers, now)
        asked = retry_after_s(headers)
        if self._closed_until > now and asked is None:
            # One of a volley: the others were in flight when the first one was refused.
            return self._closed_until - now
        # A server that says "at once" again and again does not mean it: each refusal in a row makes the rest longer.
        wait = self._rest_s if asked is None else max(asked, self._rest_s) if again else asked
        if asked is None or again:
            self._rest_s = min(self._rest_s * 2, _LONGEST_REST_S)
        # In an unbroken row of refusals the growing rests slow us down; the rate is halved once.
        if self._closed_until <= now and not again:
            current = self.requests_per_s()
            seen = self._seen_per_s(now)
            self._slowed_rps = max(min(current or seen, seen) / 2, _SLOWEST_PER_S)
            self._crept_at = now + wait
        self._closed_until = max(self._closed_until, now + wait)
        return wait

    def throttled_for_s(self) -> float:
        """Return the seconds since the first of an unbroken row of 429s; 0 where the last request was answered."""
        return 0.0 if self._throttled_since is None else time.monotonic() - self._throttled_since

    def _seen_per_s(self, now: float) -> float:
        recent = [at for at in self._window if at > now - 10]
        if len(recent) < 2:
            return max(self._concurrency / 2, 1.0)
        return len(recent) / max(now - recent[0], 0.05)

    def _learn(self, headers: Mapping[str, str], now: float) -> None:
        if limit := requests_a_minute(headers):
            self._learned_rps = limit / 60 * _HEADROOM
        if limit := tokens_a_minute(headers):
            self._learned_tps = limit / 60 * _HEADROOM
        for kind in ("requests", "tokens"):
            left, reset = left_of(kind, headers), duration_s(headers.get(f"x-ratelimit-reset-{kind}"))
            if left is not None and left < 1 and reset:
                # Nothing is left until one request's worth has come back, not until all of it has.
                self._closed_until = max(self._closed_until, now + min(reset, 1.0))


def _least(*rates: float | None) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return min(known) if known else None
