"""What a ledger tells of a run that was killed, and its books do not have yet.

Nothing of tables is loaded here: once Polars is, an interrupt no longer wakes a command that waits for a server.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from cxr.miner.kit.console import say
from cxr.miner.kit.machine import utc_now
from cxr.miner.llm.cache import ReplyCache
from cxr.miner.llm.completion import read_completion
from cxr.miner.llm.failures import Passing
from cxr.miner.llm.ledger import DAMAGED, KILLED, recover, unreadable, unreadable_said
from cxr.miner.llm.prices import billed, price_of
from cxr.miner.llm.settings import ServerSettings
from cxr.schemas.call import Call


def unstored(
    path: Path, cache: ReplyCache, settings: ServerSettings, stored: Callable[[], Iterable[str]]
) -> list[tuple[Call, dict[str, str]]]:
    """Return the attempts of a ledger, with their owners, whose ids are not among those stored.

    What damaged lines may have told of is said, and among them without an owner.
    """
    found = recover(path, lambda call: _finish(call, cache, settings))
    if not found.attempts and not found.broken:
        return []
    known = set(stored())
    charged = _charged(path, unreadable(found.broken, known | {call.call_id for call, _ in found.attempts}), settings)
    nobody: dict[str, str] = {}
    attempts = [*found.attempts, *((call, nobody) for call in charged)]
    return [(call, owner) for call, owner in attempts if call.call_id not in known]


def _charged(path: Path, lost: int, settings: ServerSettings) -> list[Call]:
    """Return a call of unknown cost for each attempt that damaged lines of a ledger may have told of, and say so."""
    if not lost:
        return []
    say(unreadable_said(path, lost))
    content = sha256(path.read_bytes()).hexdigest()  # a kill before `clear` charges nothing twice
    return [
        Call(
            call_id=f"{DAMAGED} {number} {content}",
            stage=DAMAGED,
            question_id="",
            model=settings.named_model,
            prompt_name="",
            prompt_version=1,
            prompt_hash="",
            request_hash="",
            attempt=1,
            cache_hit=False,
            latency_s=0.0,
            called_at=utc_now(),
            error=DAMAGED,
        )
        for number in range(lost)
    ]


def _finish(call: Call, cache: ReplyCache, settings: ServerSettings) -> Call:
    stored = cache.get(call.request_hash)
    killed = call.model_copy(update={"error": KILLED})
    if stored is None:
        return killed
    try:
        usage = read_completion(stored).usage
    except Passing:
        return killed
    return call if usage is None else billed(call, usage, price_of(settings))
