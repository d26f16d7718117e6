"""`cxr sql`: one statement on a read-only store, as a table, CSV or JSON Lines; rows are streamed, never all held."""

import csv
import json
import math
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

import duckdb
import polars as pl

from miner.console import out, plain_table, say
from miner.errors import CxrError, SettingsError
from miner.store import Store

TABLE_ROWS = 200
BATCH_ROWS = 2_000

# These speak of the statement. Others can quote a value, and a value can be a report.
_ABOUT_THE_STATEMENT = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.SyntaxException)


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def print_query(store: Store, query: str, chosen: Format) -> None:
    """Print a query's rows to stdout; raises SettingsError for other than one statement, CxrError where it fails.

    The statement can reach the store and nothing else: no file, no network, no extension.
    """
    try:
        store.connection.execute("set enable_external_access = false")
        if len(store.connection.extract_statements(query)) != 1:
            raise SettingsError("sql: expected one statement; write one SELECT, quoted as a whole")
        columns, batches = _rows(store, query)
        _print(columns, batches, chosen)
    except duckdb.Error as error:
        if isinstance(error, _ABOUT_THE_STATEMENT):
            first = " ".join(str(error).split("\n\n")[0].split())
            raise CxrError(f"the SQL failed: {first}; `cxr sql 'show all tables'` lists what there is") from None
        raise CxrError(
            f"the SQL failed while it ran ({type(error).__name__}); the details are withheld, because they can hold "
            "words of a report; try_cast and a where clause find the row"
        ) from None


def _rows(store: Store, query: str) -> tuple[list[str], Iterator[list[tuple[Any, ...]]]]:
    """Give the names of the columns, made unique, and the rows in batches."""
    relation = store.connection.sql(query)
    if relation is None:
        return [], iter(())
    columns: list[str] = []
    for name in relation.columns:
        same = columns.count(name) + sum(other.startswith(f"{name}_") for other in columns if name in columns)
        columns.append(name if not same else f"{name}_{same + 1}")

    def batches() -> Iterator[list[tuple[Any, ...]]]:
        for batch in relation.to_arrow_reader(BATCH_ROWS):
            frame = pl.from_arrow(batch.rename_columns(columns))
            assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a batch never becomes a series
            yield frame.rows()

    return columns, batches()


def _print(columns: Sequence[str], batches: Iterator[list[tuple[Any, ...]]], chosen: Format) -> None:
    if chosen is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        for rows in batches:
            writer.writerows([_cell(value) for value in row] for row in rows)
    elif chosen is Format.JSON:
        for rows in batches:
            for row in rows:
                record = {name: _json(value) for name, value in zip(columns, row, strict=True)}
                sys.stdout.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
    else:
        shown: list[tuple[Any, ...]] = []
        for rows in batches:
            shown += rows
            if len(shown) > TABLE_ROWS:
                break
        out().print(plain_table(columns, [[_cell(value) for value in row] for row in shown[:TABLE_ROWS]]))
        if len(shown) > TABLE_ROWS:
            say(f"only the first {TABLE_ROWS} rows are shown; --format csv or json prints all")


def _cell(value: object) -> str:
    """Write a value as it is: no thousands separators in ids and years, nested values as JSON, null as nothing."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(_json(value), ensure_ascii=False)
    return str(value)


def _json(value: Any) -> Any:
    """Give a value that JSON knows: numbers that are none become null, dates text."""
    if isinstance(value, dict):
        return {key: _json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json(inner) for inner in value]
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int | str | None) else str(value)
