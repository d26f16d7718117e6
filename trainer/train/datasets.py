"""A store as `datasets.Dataset`: its tables and views, and what each stage of training reads."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from cxr.miner.benchmark.compile import compile_benchmark
from cxr.miner.benchmark.settings import BenchSettings, Existing
from cxr.miner.export.export import export
from cxr.miner.export.settings import ExportSettings
from cxr.miner.kit.errors import InputError, SettingsError
from cxr.miner.kit.parallel import quiet
from cxr.miner.store import Store

if TYPE_CHECKING:
    from datasets import Dataset

STAGES = ("sft", "grpo")


def dataset_of(store: Store, kind: str, split: str, settings: Mapping[str, object]) -> "Dataset":
    """Return a table or view of the store, or the rows of a stage of training from one split.

    The store is read and nothing is written to it. Raises SettingsError for a kind or setting that does not exist,
    InputError where there is nothing of it.
    """
    from datasets import Dataset  # noqa: PLC0415 - an extra

    if kind in STAGES:
        return _rows_of_stage(store, kind, split, settings)
    known = [name for (name,) in store.rows("select table_name from duckdb_tables() union select view_name from "
                                            "duckdb_views() where not internal order by 1")]  # fmt: skip
    if kind not in known:
        raise SettingsError(f"there is no dataset {kind!r} in a store; choose from {', '.join((*STAGES, *known))}")
    return Dataset(store.frame(f'select * from "{kind}"').to_arrow())


def _rows_of_stage(store: Store, stage: str, split: str, settings: Mapping[str, object]) -> "Dataset":
    from datasets import Dataset  # noqa: PLC0415 - an extra

    wanted = BenchSettings.resolve(store.path, **settings)
    how = ExportSettings.resolve(store.path, splits=(split,))
    with tempfile.TemporaryDirectory() as work, _aside(store) as copy:
        folder = Path(work)
        compile_benchmark(copy, folder / "benchmark", wanted, Existing.STOP, quiet)
        made = export(copy, folder / "benchmark", str(folder / stage), stage, how, Existing.STOP, advance=quiet)
        files = [str(folder / stage / name) for name, rows in made.files if rows]
        if not files:
            raise InputError(f"{store.path} gives no samples of split {split} for {stage}; see `cxr bench compile`")
        return Dataset.from_parquet(files, keep_in_memory=True, cache_dir=str(folder / "cache"))


@contextmanager
def _aside(store: Store) -> Iterator[Store]:
    """Open a passing store whose tables are views of this one's; what is noted in `runs` goes with it."""
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"attach '{str(store.path.resolve()).replace(chr(39), chr(39) * 2)}' as kept (read_only)")
        names = connection.execute(
            "select table_name from duckdb_tables() where database_name = 'kept' union all "
            "select view_name from duckdb_views() where database_name = 'kept' and not internal"
        ).fetchall()
        for (name,) in names:
            what = "table" if name == "runs" else "view"
            connection.execute(f'create {what} "{name}" as select * from kept."{name}"')
        yield Store(connection, store.path)
