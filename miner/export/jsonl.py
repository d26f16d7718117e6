"""JSON Lines: every column of a sample, one sample a line, a file per split and mode."""

from collections.abc import Collection
from pathlib import Path

import duckdb
import pyarrow as pa

from cxr.miner.benchmark.samples import SCHEMAS
from cxr.miner.benchmark.settings import Mode
from cxr.miner.export.rows import Benchmark, Slices
from cxr.miner.export.settings import ExportSettings


def write(benchmark: Benchmark, split: str, folder: Path, settings: ExportSettings) -> list[tuple[Path, int]]:
    """Write `<split>-<mode>.jsonl` for each mode that the split has."""
    written = []
    unweighted = settings.model_copy(update={"mix": dict.fromkeys(Mode, 1.0)})
    for mode in Mode:
        if mode not in settings.modes or not benchmark.files(split, mode):
            continue
        path = folder / f"{split}-{mode}.jsonl"
        columns = ", ".join(SCHEMAS[mode].names)
        rows = 0
        with path.open("wb") as out:
            for table in Slices(benchmark, unweighted, split, (mode,)).tables(f"select {columns} from samples"):
                rows += table.num_rows
                write_json_lines(table, path)
                out.write(path.with_name(f".{path.name}.part").read_bytes())
                path.with_name(f".{path.name}.part").unlink()
        written.append((path, rows))
    return written


def write_json_lines(table: pa.Table, path: Path, *, array: bool = False, objects: Collection[str] = ()) -> None:
    """Write a table as JSON beside `path`, as `.<name>.part`: DuckDB does it set-based, in order.

    Columns named in `objects` hold JSON as text, and are written as what they hold.
    """
    part = str(path.with_name(f".{path.name}.part")).replace("'", "''")
    with duckdb.connect() as connection:
        connection.register("rows", table)
        shape = ", array true" if array else ""
        held = ", ".join(f"{name}::json as {name}" for name in objects if name in table.column_names)
        columns = f"* replace ({held})" if held else "*"
        connection.execute(f"copy (select {columns} from rows) to '{part}' (format json{shape})")
