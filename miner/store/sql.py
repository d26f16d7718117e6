"""`cxr sql`: one statement on a read-only store, as a table, CSV, JSON Lines or Parquet.

Rows are streamed, never all held. Parquet is binary: it goes to a file, or to a stdout that is no terminal.
"""

import contextlib
import csv
import json
import math
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cxr.miner.kit.console import PLAIN_WIDTH, Safe, out, plain_table, say
from cxr.miner.kit.errors import CxrError, SettingsError
from cxr.miner.kit.files import whole_path
from cxr.miner.kit.jsonl import json_line
from cxr.miner.kit.visible import spreadsheet_cell, visible
from cxr.miner.store import Parameters, Store
from cxr.miner.store.damage import damage

TABLE_ROWS = 200
BATCH_ROWS = 2_000
_LINE_END = "\r\n"
"""What `csv` is told, since it quotes a cell with either of the two; what is written is a line feed."""

# These speak of the statement. Others can quote a value, and a value can be a report.
_ABOUT_THE_STATEMENT = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.SyntaxException)


class RowFormat(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    SHEET = "sheet"
    """CSV for a spreadsheet: a cell that it would run as a formula is marked by an apostrophe."""


def print_query(store: Store, query: str, chosen: RowFormat, target: Path | None = None) -> None:
    """Print a query's rows to stdout or into a file, which appears only when it is complete.

    The statement can reach the store and nothing else: no file, no network, no extension. Raises SettingsError for
    other than one statement and for Parquet to a terminal, CxrError where the statement fails.
    """
    check_target(chosen, target, "sql")
    try:
        store.connection.execute("set enable_external_access = false")
        if len(store.connection.extract_statements(query)) != 1:
            raise SettingsError("sql: expected one statement; write one SELECT, quoted as a whole")
        print_rows(store, query, None, chosen, target)
    except duckdb.Error as error:
        if isinstance(error, _ABOUT_THE_STATEMENT):
            first = " ".join(str(error).split("\n\n")[0].split())
            raise CxrError(f"the SQL failed: {first}; `cxr sql 'show all tables'` lists what there is") from None
        if damage(error, store.path) is not None:
            raise
        raise CxrError(
            f"the SQL failed while it ran ({type(error).__name__}); the details are withheld, because they can hold "
            "words of a report; try_cast and a where clause find the row"
        ) from None


def check_target(chosen: RowFormat, target: Path | None, command: str) -> None:
    """Raise SettingsError where Parquet would be written to a terminal."""
    if chosen is RowFormat.PARQUET and target is None and sys.stdout.isatty():
        raise SettingsError(f"{command}: Parquet is binary and stdout is a terminal; give a file with -o, or redirect")


def print_rows(store: Store, query: str, parameters: Parameters, chosen: RowFormat, target: Path | None) -> None:
    """Print the rows of one of our own queries."""
    schema, batches = _rows(store, query, parameters)
    if chosen is RowFormat.PARQUET:
        with _binary(target) as sink:
            _write_parquet(schema, batches, sink)
        return
    with _text(target) as sink:
        _print(schema.names, _tuples(batches), chosen, sink, target)


@contextlib.contextmanager
def _binary(target: Path | None) -> Iterator[BinaryIO]:
    if target is None:
        yield sys.stdout.buffer
        return
    with whole_path(target) as partial, partial.open("wb") as sink:
        yield sink


@contextlib.contextmanager
def _text(target: Path | None) -> Iterator[TextIO]:
    if target is None:
        yield sys.stdout
        return
    with whole_path(target) as partial, partial.open("w", encoding="utf-8", newline="") as sink:
        yield sink


def _rows(store: Store, query: str, parameters: Parameters) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the columns, their names made unique, and the rows in batches."""
    relation = store.connection.sql(query, params=parameters or None)
    if relation is None:
        return pa.schema([]), iter(())
    columns: list[str] = []
    for name in relation.columns:
        same = columns.count(name) + sum(other.startswith(f"{name}_") for other in columns if name in columns)
        columns.append(name if not same else f"{name}_{same + 1}")
    reader = relation.to_arrow_reader(BATCH_ROWS)
    schema = pa.schema([field.with_name(name) for field, name in zip(reader.schema, columns, strict=True)])
    return schema, (batch.rename_columns(columns) for batch in reader)


def _tuples(batches: Iterator[pa.RecordBatch]) -> Iterator[list[tuple[Any, ...]]]:
    for batch in batches:
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a batch never becomes a series
        yield frame.rows()


def _write_parquet(schema: pa.Schema, batches: Iterator[pa.RecordBatch], sink: BinaryIO) -> None:
    try:
        with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise CxrError(
            "Parquet cannot hold one of these columns; cast it, for example to varchar, or use --format json"
        ) from None


def _print(
    columns: Sequence[str],
    batches: Iterator[list[tuple[Any, ...]]],
    chosen: RowFormat,
    sink: TextIO,
    target: Path | None,
) -> None:
    lines = _Lines(sink)
    if chosen in (RowFormat.CSV, RowFormat.SHEET):
        write = _cell if chosen is RowFormat.CSV else _sheet_cell
        writer = csv.writer(lines, lineterminator=_LINE_END)
        writer.writerow([write(name) for name in columns])
        for rows in batches:
            writer.writerows([write(value) for value in row] for row in rows)
    elif chosen is RowFormat.JSON:
        for rows in batches:
            for row in rows:
                record = {name: _json(value) for name, value in zip(columns, row, strict=True)}
                lines.write(json_line(record))
    else:
        shown: list[tuple[Any, ...]] = []
        for rows in batches:
            shown += rows
            if len(shown) > TABLE_ROWS:
                break
        console = out() if target is None else Safe(file=sink, highlight=False, width=PLAIN_WIDTH)
        console.print(plain_table(columns, [[_cell(value) for value in row] for row in shown[:TABLE_ROWS]]))
        if len(shown) > TABLE_ROWS:
            say(f"only the first {TABLE_ROWS} rows are shown; --format csv, json or parquet gives all")


def _cell(value: object) -> str:
    """Write a value as it is: no thousands separators in ids and years, nested values as JSON, null as nothing."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(_json(value), ensure_ascii=False)
    return str(value)


def _sheet_cell(value: object) -> str:
    """Write a value for a spreadsheet; numbers stay numbers, also negative ones."""
    return _cell(value) if isinstance(value, int | float | Decimal) else spreadsheet_cell(_cell(value))


class _Lines:
    """Lines of data: exact in a file or a pipe, and fit to be looked at where a person does, at a terminal."""

    def __init__(self, sink: TextIO) -> None:
        self._sink, self._looked_at = sink, sink.isatty()

    def write(self, line: str) -> None:
        """Write a line; only its very end is ours."""
        line = line.removesuffix(_LINE_END).removesuffix("\n") + "\n"
        self._sink.write(visible(line) if self._looked_at else line)


def _json(value: Any) -> Any:
    """Return a value that JSON knows: numbers that are none become null, dates text."""
    if isinstance(value, dict):
        return {key: _json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json(inner) for inner in value]
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int | str | None) else str(value)
