"""`cxr sql`: one statement on a read-only store, as a table, CSV or JSON Lines."""

import csv
import json
import sys

import duckdb

from miner.console import out, say, table
from miner.errors import CxrError, SettingsError
from miner.store import Store

FORMATS = ("table", "csv", "json")
TABLE_ROWS = 200


def print_query(store: Store, query: str, format_: str) -> None:
    """Print a query's rows to stdout; raises SettingsError for an unknown format, CxrError where SQL fails."""
    if format_ not in FORMATS:
        raise SettingsError(f"sql: unknown --format {format_!r}; choose from {', '.join(FORMATS)}")
    try:
        cursor = store.connection.execute(query)
        columns = [description[0] for description in cursor.description or []]
        rows = cursor.fetchall()
    except duckdb.Error as error:
        # DuckDB's message quotes the statement, never a row's content.
        first = " ".join(str(error).split("\n\n")[0].split())
        raise CxrError(f"the SQL failed: {first}; `cxr sql 'show all tables'` lists what there is") from None
    if format_ == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    elif format_ == "json":
        for row in rows:
            sys.stdout.write(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False, default=str) + "\n")
    else:
        out().print(table("", columns, rows[:TABLE_ROWS]))
        if len(rows) > TABLE_ROWS:
            say(f"the first {TABLE_ROWS} of {len(rows):,} rows; --format csv or json prints all")
