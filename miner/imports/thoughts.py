"""Thoughts that a server or a file keeps in a field of their own, put back before the output in our tags."""

from collections.abc import Mapping
from typing import Any

from cxr.schemas.vocabulary import THOUGHT_FIELDS

# A line that is one of our samples, with a text beside it: its reasoning is the reference's, not the model's.
_OF_A_SAMPLE = frozenset({"report", "answer_findings"})


def thoughts_in(record: Mapping[str, Any]) -> str | None:
    """Return what a record holds as thoughts, in one piece or in parts with a text; None where it holds none."""
    fields = THOUGHT_FIELDS if _OF_A_SAMPLE.isdisjoint(record) else THOUGHT_FIELDS[:1]
    return next((said for field in fields if (said := _text_of(record.get(field)))), None)


def with_thoughts(text: Any, thoughts: str | None, *, cut_off: bool = False) -> Any:
    """Return an output with its thoughts in <think>; as it is without any, where it has them, and where it is no text.

    Thoughts that were cut off before an output began stay open.
    """
    if thoughts is None or not isinstance(text, str | None) or "<think>" in (text or ""):
        return text
    return f"<think> {thoughts}" if cut_off and not text else f"<think> {thoughts} </think>{text or ''}"


def _text_of(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        return next((said for key in ("text", "thinking", "content") if (said := _text_of(value.get(key)))), "")
    return "\n".join(filter(None, map(_text_of, value))) if isinstance(value, list) else ""
