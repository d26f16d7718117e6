"""Does a run learn to reason, or to say what costs nothing? What its log would show of the latter, in one sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

WINDOW = 10
"""Lines of the log at the start and at the end that are compared."""
RISE = 0.03
"""What factuality has to rise by, and completeness to fall by, to be more than noise."""
FEWER = 0.2
"""The share of findings that has to be gone."""
_OF = "completions/reasoning/"


def gaming(lines: Sequence[Mapping[str, Any]]) -> str | None:
    """Return a warning where factuality rises while completeness or the number of findings falls; None otherwise."""
    if len(lines) < 2 * WINDOW:
        return None
    before, now = lines[:WINDOW], lines[-WINDOW:]
    told, tells = _mean(before, "factuality"), _mean(now, "factuality")
    if told is None or tells is None or tells - told < RISE:
        return None
    lost = []
    for name, least in (("completeness", RISE), ("findings", FEWER * (_mean(before, "findings") or 0.0))):
        first, last = _mean(before, name), _mean(now, name)
        if first is not None and last is not None and first - last >= least > 0:
            lost.append(f"{name} fell from {first:.2f} to {last:.2f}")
    if not lost:
        return None
    return (
        f"factuality rose from {told:.2f} to {tells:.2f} while {' and '.join(lost)}: the model may be learning to say "
        "what costs nothing; look at samples.jsonl, and train with --process-reward grounded"
    )


def _mean(lines: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [value for line in lines if isinstance(value := line.get(_OF + name), int | float)]
    return sum(values) / len(values) if values else None
