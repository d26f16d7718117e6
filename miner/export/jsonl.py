"""JSON Lines: every column of a sample, one sample a line, a file per split and mode."""

from collections.abc import Collection
from pathlib import Path

import duckdb
import pyarrow as pa

from cxr.miner.benchmark.samples import SCHEMAS
from cxr.miner.export.registry import ExportFormat
from cxr.miner.export.rows import Benchmark, Slices, modes_of, once
from cxr.miner.export.settings import ExportSettings


def write(benchmark: Benchmark, split: str, folder: Path, settings: ExportSettings) -> list[tuple[Path, int]]:
    """Write `<split>-<mode>.jsonl` for each mode that the split has."""
    written = []
    for mode in modes_of(benchmark, split, settings):
        path, part = folder / f"{split}-{mode}.jsonl", folder / f".{split}-{mode}.part"
        columns = ", ".join(SCHEMAS[mode].names)
        rows = 0
        with path.open("wb") as out:
            for table in Slices(benchmark, once(settings), split, (mode,)).tables(f"select {columns} from samples"):
                rows += table.num_rows
                write_rows_as_json(table, part)
                out.write(part.read_bytes())
                part.unlink()
        written.append((path, rows))
    return written


def write_rows_as_json(table: pa.Table, path: Path, *, array: bool = False, objects: Collection[str] = ()) -> None:
    """Write a table as JSON Lines, or as one array: DuckDB does it set-based, in order.

    Columns named in `objects` hold JSON as text, and are written as what they hold.
    """
    target = str(path).replace("'", "''")
    with duckdb.connect() as connection:
        connection.register("rows", table)
        shape = ", array true" if array else ""
        held = ", ".join(f"{name}::json as {name}" for name in objects if name in table.column_names)
        columns = f"* replace ({held})" if held else "*"
        connection.execute(f"copy (select {columns} from rows) to '{target}' (format json{shape})")


FORMAT = ExportFormat(write)
