"""CSV files that are too large to hold: batches of rows as text columns, in the order of the file.

Polars reads them; where a row has too many cells, it cannot go on and Python's own reader takes over, which is
slower but knows which rows are damaged.
"""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from cxr.miner.ingest.corpus import Reject
from cxr.miner.ingest.read.blank import cell
from cxr.miner.ingest.read.files import ROW
from cxr.miner.ingest.read.frames import csv_header
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.visible import columns_found
from cxr.schemas.vocabulary import RejectReason

BATCH = 5_000
REPLACED = "\ufffd"
"""What stands for bytes that are not UTF-8."""


class _TooFewCells(Exception):
    """A row may end early."""


class BigCsv:
    """A large CSV file; `rejects` are the damaged rows, known after the first complete pass."""

    def __init__(self, path: Path, required: Sequence[str], expected: str) -> None:
        """Read the header; InputError where the file cannot be read or lacks a required column."""
        self.path = path
        self.rejects: list[Reject] = []
        self._damaged = False
        try:
            with path.open("rb") as handle:
                self.header = csv_header(handle.read(1 << 20), path.name, expected)
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
        missing = [column for column in required if column not in self.header]
        if missing:
            raise InputError(
                f"{path.name} has no column {', '.join(missing)} ({columns_found(self.header)}); expected {expected}"
            )

    def each(self, columns: Sequence[str], convert: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
        """Return what `convert` makes of all batches, one below the other.

        This first pass looks at every cell: Polars stops at a row with too many, and fills up one with too few, which
        therefore lacks its last.
        """
        try:
            parts = [convert(self._named(batch, columns)) for batch in self._whole_rows()]
        except (PolarsError, _TooFewCells):
            self._damaged = True
            parts = [convert(batch) for batch in self.batches(columns)]
        return pl.concat(parts) if parts else convert(pl.DataFrame(schema=self._schema(columns)))

    def _whole_rows(self) -> Iterator[pl.DataFrame]:
        for batch in self._scan(self.header):
            if batch[self.header[-1]].null_count():
                raise _TooFewCells
            yield batch

    def batches(self, columns: Sequence[str], *, lean: bool = False) -> Iterator[pl.DataFrame]:
        """Yield batches with ROW (the header being 1) and the columns; one that the file lacks is null.

        Cells that hold nothing are null; bytes that are not UTF-8 come as REPLACED. Call `each` first: it finds out
        whether the file is damaged. With `lean` Python's reader is used in any case: slower than Polars, which holds
        half a gigabyte in flight.
        """
        there = [column for column in columns if column in self.header]
        made = self._row_by_row(there) if self._damaged or lean else self._scan(there)
        for batch in made:
            yield self._named(batch, columns)

    def _named(self, batch: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
        there = [column for column in columns if column in self.header]
        absent = [pl.lit(None, dtype=pl.String).alias(c) for c in columns if c not in there]
        return batch.select(pl.col(ROW).cast(pl.Int64), *map(cell, there), *absent).select(ROW, *columns)

    def _schema(self, columns: Sequence[str]) -> dict[str, type[pl.DataType]]:
        return {ROW: pl.Int64, **dict.fromkeys(columns, pl.String)}

    def _scan(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        lines = pl.scan_csv(self.path, infer_schema=False, encoding="utf8-lossy", low_memory=True)
        names = dict(zip(lines.collect_schema().names(), self.header, strict=False))
        numbered = lines.rename(names).with_row_index(ROW, offset=2).select(ROW, *columns)
        yield from numbered.collect_batches(chunk_size=BATCH, maintain_order=True, engine="streaming")

    def _row_by_row(self, columns: list[str]) -> Iterator[pl.DataFrame]:
        self.rejects = []
        at = [self.header.index(column) for column in columns]
        csv.field_size_limit(min(sys.maxsize, 1 << 30))
        kept: list[tuple[int | str, ...]] = []
        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
            rows = csv.reader(handle)
            next(rows)
            for number, row in enumerate(rows, start=2):
                if len(row) == len(self.header):
                    kept.append((number, *(row[index] for index in at)))
                elif row:
                    self.rejects.append(self._wrong_fields(number, len(row)))
                if len(kept) == BATCH:
                    yield self._frame(kept, columns)
                    kept = []
        yield self._frame(kept, columns)

    def _wrong_fields(self, number: int, cells: int) -> Reject:
        name = self.path.name
        message = f"row {number} of {name} has {cells} cells and its header {len(self.header)}"
        return Reject(f"{name}:{number}", RejectReason.WRONG_FIELDS, message)

    def _frame(self, rows: list[tuple[int | str, ...]], columns: Sequence[str]) -> pl.DataFrame:
        return pl.DataFrame(rows, schema=self._schema(columns), orient="row")
