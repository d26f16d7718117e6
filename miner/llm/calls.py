"""From calls to rows of the `calls` table."""

from collections.abc import Iterable

import polars as pl

from cxr.schemas.call import Call

# Named types: a batch in which nobody counted tokens would otherwise have a column of nothing.
_TYPES: dict[str, type[pl.DataType]] = {
    "prompt_tokens": pl.Int64,
    "completion_tokens": pl.Int64,
    "cached_tokens": pl.Int64,
    "cost_usd": pl.Float64,
    "error": pl.String,
}


def call_rows(calls: Iterable[Call], engine: str, run_id: str, settings_hash: str) -> list[dict[str, object]]:
    """Return one row per attempt, by column name; calls are events, and each has an id of its own."""
    return [
        {
            **call.model_dump(exclude={"prompt_version"}),
            "prompt_version": str(call.prompt_version),
            "engine": engine,
            "run_id": run_id,
            "settings_hash": settings_hash,
        }
        for call in calls
    ]


def call_frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    """Return the rows as a frame that the store can take."""
    return pl.DataFrame(rows, schema_overrides=_TYPES, infer_schema_length=None) if rows else pl.DataFrame()
