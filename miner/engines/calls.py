"""From calls to rows of the `calls` table."""

import hashlib
from collections.abc import Iterable

from schemas.call import Call


def call_rows(calls: Iterable[Call], engine: str, run_id: str) -> list[dict[str, object]]:
    """Give one row per attempt, by column name; the cost is null until prices are known, never a guess."""
    return [
        {
            "call_id": _call_id(call, run_id),
            "engine": engine,
            "cost_usd": 0.0 if call.cache_hit else None,
            "run_id": run_id,
            **call.model_dump(exclude={"request_hash", "prompt_version"}),
            "prompt_version": str(call.prompt_version),
        }
        for call in calls
    ]


def _call_id(call: Call, run_id: str) -> str:
    """Give an id that differs between attempts and runs; calls are events, so it is not made from content alone."""
    parts = (run_id, call.question_id, call.stage, str(call.attempt), call.request_hash, call.called_at.isoformat())
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]
