"""Time that does not depend on what else the machine does."""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine

import pytest


class _Jumping(selectors.DefaultSelector):
    """Waits by setting its clock forward."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


def seconds_asked_for(work: Callable[[], Coroutine[None, None, object]]) -> float:
    """Run a coroutine in an event loop where every sleep is over at once; give the seconds it would have slept."""
    clock = _Jumping()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: clock.now)
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(clock)) as runner:
            runner.run(work())
            return clock.now


def processor_s(work: Callable[[], object]) -> float:
    """Give the seconds that this thread was at work."""
    started = time.thread_time()
    work()
    return time.thread_time() - started
