"""From calls to rows of the `calls` table."""

from collections.abc import Iterable, Mapping

import polars as pl

from cxr.miner.store import Store
from cxr.schemas.call import Call

# Named types: a batch in which nobody counted tokens would otherwise have a column of nothing.
_TYPES: dict[str, type[pl.DataType]] = {
    "prompt_tokens": pl.Int64,
    "completion_tokens": pl.Int64,
    "cached_tokens": pl.Int64,
    "reasoning_tokens": pl.Int64,
    "cost_usd": pl.Float64,
    "answered_by": pl.String,
    "error": pl.String,
}


def call_row(call: Call, owner: Mapping[str, str]) -> dict[str, object]:
    """Return the row of one attempt by column name; `owner` names the run and the settings that it belongs to."""
    return {**call.model_dump(), "prompt_version": str(call.prompt_version), "engine": "llm", **owner}


def insert_calls(store: Store, owned: Iterable[tuple[Call, Mapping[str, str]]]) -> int:
    """Append attempts, each with its owner, and return their number; they are events, and each has an id of its own."""
    rows = [call_row(call, owner) for call, owner in owned]
    return store.insert("calls", pl.DataFrame(rows, schema_overrides=_TYPES, infer_schema_length=None)) if rows else 0
