"""The store: one DuckDB file, one writer at a time, migrations on open, and a row in `runs` for every write."""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import duckdb
import polars as pl

from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import BudgetReached, CxrError, StoreError, StoreLocked
from cxr.miner.kit.machine import STORES, utc_now, versions
from cxr.miner.store.damage import damage, damage_told, demand_log
from cxr.miner.store.migrations import MIGRATIONS

# Values that are bound to a statement, by position or by name.
Parameters = Sequence[object] | Mapping[str, object] | None

_MEMORY_LIMIT = "1500MB"


@dataclass
class Run:
    """One command's write to the store; the counters end up in its row of `runs`."""

    run_id: str
    rows_written: int = 0
    rejects: int = 0
    attestation: list[str] | None = field(default=None)
    """What allowed credentialed text to leave the machine, if it did."""
    capabilities: Mapping[str, object] | None = field(default=None)
    """What the model server was found to take, which joins the settings in `runs`; None where none was asked."""


class Store:
    """An open store. Use `Store.read` or `Store.write` as context managers."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self.connection = connection
        self.path = path

    @classmethod
    @contextlib.contextmanager
    def read(cls, path: Path) -> Iterator[Self]:
        """Open an existing store for reading; any number of readers can do so at once.

        Raises StoreError where there is no store or the file is something else, StoreLocked while one writes.
        """
        _demand_existing(path)
        with damage_told(path), contextlib.closing(_connect(path, read_only=True)) as connection:
            _check_is_ours(connection, path)
            if _schema_version(connection) < len(MIGRATIONS):
                raise StoreError(
                    f"{path} was written by an older cxr (schema {_schema_version(connection)}, this is "
                    f"{len(MIGRATIONS)}); run any writing command, such as `cxr mine`, to bring it up to date"
                )
            yield cls(connection, path)

    @classmethod
    @contextlib.contextmanager
    def write(cls, path: Path, *, create: bool = False) -> Iterator[Self]:
        """Open the store as its only writer, migrated to the current schema; `create` makes a missing one.

        Raises StoreError where there is no store or the file is something else, StoreLocked naming the holder.
        """
        if not create:
            _demand_existing(path)
        is_new = not path.exists()
        demand_folder(path)
        with damage_told(path), contextlib.ExitStack() as opened:
            with _unmade(path) if is_new else contextlib.nullcontext():
                connection = opened.enter_context(contextlib.closing(_connect(path, read_only=False)))
                if not is_new:
                    _check_is_ours(connection, path, may_be_empty=create)
                _migrate(connection)
            yield cls(connection, path)

    @contextlib.contextmanager
    def run(self, command: str, settings: Mapping[str, object]) -> Iterator[Run]:
        """Record a command in `runs`: at its start, and how it ended, whatever way it ends."""
        started = utc_now()
        run = Run(run_id=digest(command, dict(settings), started.isoformat(), os.getpid()))
        self.connection.execute(
            "insert into runs (run_id, command, settings, versions, started_at, status, pid) "
            "values (?, ?, ?, ?, ?, 'running', ?)",
            [run.run_id, command, _json(settings), _json(versions(STORES)), started, os.getpid()],
        )
        status, message = "failed", None
        try:
            yield run
            status = "done"
        except BaseException as error:
            if is_interrupt(error):
                status, message = "interrupted", "interrupted by the user; the same command goes on where it stopped"
                raise KeyboardInterrupt from error
            if isinstance(error, BudgetReached):
                status = "budget reached"
            # Only our own errors are known to hold no words of a report.
            message = f"{type(error).__name__}: {error}" if isinstance(error, CxrError) else type(error).__name__
            raise
        finally:
            found = {} if run.capabilities is None else {"capabilities": run.capabilities}
            with contextlib.suppress(duckdb.Error):
                self.connection.execute(
                    "update runs set ended_at = ?, status = ?, rows_written = ?, rejects = ?, message = ?, "
                    "attestation = ?, settings = ? where run_id = ?",
                    [utc_now(), status, run.rows_written, run.rejects, message, _json(run.attestation),
                     _json({**settings, **found}), run.run_id],
                )  # fmt: skip

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: commit at the end, roll back on any exception, an interrupt included."""
        self.connection.begin()
        try:
            yield
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                self.connection.rollback()
            raise
        self.connection.commit()

    def insert(self, table: str, frame: pl.DataFrame) -> int:
        """Append a frame's rows by column name and give their number; columns that it lacks become null."""
        if frame.is_empty():
            return 0
        columns = ", ".join(f'"{name}"' for name in frame.columns)
        self.connection.register("incoming", frame.to_arrow())
        try:
            self.connection.execute(f"insert into {table} ({columns}) select {columns} from incoming")
        finally:
            self.connection.unregister("incoming")
        return frame.height

    def replace_temporary(self, table: str, frame: pl.DataFrame) -> None:
        """Make a temporary table of a frame, in the place of an earlier one of that name."""
        self.connection.register("incoming", frame.to_arrow())
        try:
            self.connection.execute(f"create or replace temporary table {table} as select * from incoming")
        finally:
            self.connection.unregister("incoming")

    def frame(self, sql: str, parameters: Parameters = None) -> pl.DataFrame:
        """Return a query's result as a Polars frame."""
        relation = self.connection.sql(sql, params=parameters or None)
        if relation is None:
            raise StoreError("a statement without rows was asked for a frame; use execute")
        result = pl.from_arrow(relation.to_arrow_table())
        assert isinstance(result, pl.DataFrame)  # noqa: S101 - a table never becomes a series
        return result

    def rows(self, sql: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        """Return a query's result as tuples."""
        return self.connection.execute(sql, parameters or []).fetchall()

    def count(self, sql: str, parameters: Parameters = None) -> int:
        """Return the single number that a query returns."""
        (row,) = self.rows(sql, parameters)
        return int(row[0])


def is_interrupt(error: BaseException) -> bool:
    """Return whether an exception is the user's Ctrl-C; while a statement runs, DuckDB turns it into one of its own."""
    if isinstance(error, KeyboardInterrupt | duckdb.InterruptException):
        return True
    return isinstance(error, RuntimeError) and str(error) == "Query interrupted"


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True, default=str)


def _demand_existing(path: Path) -> None:
    try:
        exists = path.exists()
    except OSError as error:
        raise StoreError(f"{path} cannot be reached ({error.strerror}); check its folder's permissions") from None
    if not exists:
        raise StoreError(
            f"there is no store at {path}; `cxr ingest openi FOLDER` makes one, --db or CXR_DB names another place"
        )


def demand_folder(path: Path) -> None:
    """Raise StoreError where the folder that a store would be made in does not exist."""
    if not path.parent.is_dir():
        raise StoreError(f"the folder {path.parent} for the store does not exist; create it or give another --db")


def _connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    demand_log(path)
    try:
        connection = duckdb.connect(
            str(path),
            read_only=read_only,
            # Nothing is fetched from anywhere because a statement happens to name an extension.
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"},
        )
    except duckdb.Error as error:
        text = str(error)
        if "Conflicting lock" in text:
            raise StoreLocked(_held(path, text, for_reading=not read_only and _can_be_read(path))) from None
        if "not a valid DuckDB database" in text or path.is_dir():
            raise StoreError(
                f"{path} is not a DuckDB file; a cxr store was expected: give another --db, or move that file away"
            ) from None
        if (said := damage(error, path)) is not None:
            raise StoreError(said) from None
        first_line = text.splitlines()[0] if text else type(error).__name__
        raise StoreError(f"{path} could not be opened ({first_line}); check its permissions or --db") from None
    connection.execute(f"set memory_limit = '{_MEMORY_LIMIT}'")
    return connection


def _held(path: Path, text: str, *, for_reading: bool) -> str:
    holder = re.search(r"PID (\d+)", text)
    who = f"process {holder.group(1)}" if holder else "another process"
    if for_reading:
        return f"{path} is being read by {who}; DuckDB writes only when nobody reads, so wait for it to end or close it"
    return f"{path} is being written by {who}; DuckDB allows one writer, so wait for it to end or stop it"


def _can_be_read(path: Path) -> bool:
    """Return whether whoever holds a store reads it, as we then could: a writer keeps all others out."""
    try:
        duckdb.connect(str(path), read_only=True).close()
    except duckdb.Error:
        return False
    return True


def _schema_version(connection: duckdb.DuckDBPyConnection) -> int:
    (row,) = connection.execute("select coalesce(max(version), 0) from cxr_schema").fetchall()
    return int(row[0])


@contextlib.contextmanager
def _unmade(path: Path) -> Iterator[None]:
    """Delete a new store that could not be made, as on a full disk: half a file of a store would stop the next run."""
    try:
        yield
    except StoreLocked:  # somebody else has just made it
        raise
    except BaseException:
        for made in (path, path.with_name(f"{path.name}.wal")):
            with contextlib.suppress(OSError):
                made.unlink()
        raise


def _check_is_ours(connection: duckdb.DuckDBPyConnection, path: Path, *, may_be_empty: bool = False) -> None:
    tables = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
    if may_be_empty and not tables:  # whoever was about to make it was killed
        return
    if "cxr_schema" not in tables:
        raise StoreError(
            f"{path} is a DuckDB file but no cxr store (it holds {len(tables)} other tables); give another --db"
        )
    version = _schema_version(connection)
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} has schema {version}, and this cxr knows schemas up to {len(MIGRATIONS)}; install a newer cxr"
        )


def _migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the schema up to date in one transaction."""
    connection.begin()
    try:
        connection.execute(
            "create table if not exists cxr_schema (version integer, name varchar, applied_at timestamp)"
        )
        done = _schema_version(connection)
        for number, migration in enumerate(MIGRATIONS[done:], start=done + 1):
            connection.execute(migration.sql)
            connection.execute("insert into cxr_schema values (?, ?, ?)", [number, migration.name, utc_now()])
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
