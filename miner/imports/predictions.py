"""Predictions into the store: each belongs to a sample of one benchmark, one model, and one way of asking."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars as pl

from cxr.miner.benchmark.manifest import Manifest
from cxr.miner.benchmark.settings import Mode
from cxr.miner.export.rows import Benchmark
from cxr.miner.imports.prediction_files import Given, read_predictions
from cxr.miner.imports.rejects import by_reason, replace_rejects
from cxr.miner.kit.errors import InputError, SettingsError
from cxr.miner.kit.sql import read_sql
from cxr.miner.store import Run, Store
from cxr.schemas.rejection import Reject
from cxr.schemas.vocabulary import RejectReason, Stage

_SQL = read_sql("cxr.miner.imports")

# Lines taken at once: with outputs of 100 kB, 200 MB.
_BATCH = 2_000
_SCHEMA: dict[str, pl.DataType] = {
    "line": pl.Int64(),
    "candidates": pl.List(pl.String()),
    "model": pl.String(),
    "mode": pl.String(),
    "text": pl.String(),
    "error": pl.String(),
    "benchmark": pl.String(),
}


@dataclass(frozen=True)
class Coverage:
    """How many samples of a split and mode a model has an output for."""

    model: str
    mode: str
    split: str
    samples: str
    """The mode of the samples: with or without a report to judge the reasoning by."""
    predicted: int
    failed: int
    """Samples for which there is an error instead of an output."""
    expected: int


@dataclass(frozen=True)
class PredictionsResult:
    """What an import wrote, what was there already, what it left out, and what is covered now."""

    written: int
    already: int
    merged: int
    rejects: dict[str, int]
    coverage: list[Coverage]


def import_predictions(
    store: Store,
    folder: Path,
    source: Path,
    *,
    model: str | None = None,
    mode: Mode | None = None,
    replace: bool = False,
) -> PredictionsResult:
    """Write a file's predictions for a benchmark into the store; what cannot be used goes to `rejects`.

    `model` names the model in the place of the file, `mode` how it was asked where the file does not say. An output
    that is there already stays; a different one for the same sample is a reject, unless `replace` says that the
    file's models are to be taken anew. An error in the store gives way to an output. Raises InputError for a file of
    another benchmark, SettingsError where nobody names the model.
    """
    benchmark = Benchmark.open(folder)
    register_samples(store, benchmark)
    settings = {
        "file": source.name, "benchmark": benchmark.manifest.fingerprint, "model": model,
        "mode": None if mode is None else str(mode), "replace": replace,
    }  # fmt: skip
    with store.run("import predictions", settings) as run:
        refused = _stage(store, benchmark.manifest, source, model, mode)
        return _write(store, benchmark.manifest, source.name, refused, run, replace=replace)


def register_samples(store: Store, benchmark: Benchmark) -> None:
    """Make the temporary view `bench_samples`: the samples of a benchmark's files, reasoning columns included.

    In a benchmark of questions alone, reasoning and report are null.
    """
    files = ", ".join("'" + str(benchmark.folder / name).replace("'", "''") + "'" for name in benchmark.manifest.files)
    store.connection.execute(
        f"create or replace temporary view bench_samples as from read_parquet([{files}], union_by_name = true) "
        "union all by name select null::varchar as reasoning, null::varchar as report where false"
    )


def _stage(store: Store, manifest: Manifest, source: Path, model: str | None, mode: Mode | None) -> list[Reject]:
    """Put what the file gives into the temporary table `given`, and give the lines that are no predictions."""
    store.replace_temporary("given", pl.DataFrame(schema=_SCHEMA))
    refused: list[Reject] = []
    given = read_predictions(source, mode)
    while batch := list(islice(given, _BATCH)):
        taken = []
        for item in batch:
            if isinstance(item, Reject):
                refused.append(item)
                continue
            if item.benchmark not in {None, manifest.fingerprint}:
                raise InputError(
                    f"{source} line {item.line} was predicted for benchmark {item.benchmark}, and this one is "
                    f"{manifest.fingerprint}: their samples are not the same; give the benchmark that was predicted"
                )
            taken.append(_named(item, model, source))
        store.insert("given", pl.DataFrame(taken, schema=_SCHEMA, orient="row"))
    return refused


def _named(item: Given, model: str | None, source: Path) -> Given:
    name = model or item.model
    if not name:
        raise SettingsError(f"import predictions: {source} does not name the model; give --model NAME")
    return item._replace(model=name)


def _write(
    store: Store, manifest: Manifest, name: str, refused: Sequence[Reject], run: Run, *, replace: bool
) -> PredictionsResult:
    store.connection.execute(_SQL["resolved"], {"benchmark": manifest.fingerprint})
    store.connection.execute(_SQL["decided"], {"benchmark": manifest.fingerprint, "replace": replace})
    fates = dict(store.rows("select fate, count(*) from decided group by fate"))
    rejects = [*refused, *_unknown(store, name), *_duplicates(store, name)]
    with store.transaction():
        store.connection.execute(_SQL["gone"], {"benchmark": manifest.fingerprint, "replace": replace})
        for table in ("predictions", "prediction_scores"):
            store.connection.execute(f"delete from {table} where prediction_id in (select prediction_id from gone)")
        store.connection.execute(
            "delete from rejects where stage = ? and reject_key in (select prediction_id from gone)",
            [str(Stage.EVALUATE)],
        )
        store.connection.execute(_SQL["write_predictions"], {"run": run.run_id, "benchmark": manifest.fingerprint})
        run.rows_written = fates.get("write", 0)
        replace_rejects(store, "predictions", name, rejects, run)
    models = [model for (model,) in store.rows("select distinct model from decided order by model")]
    covered = coverage(store, manifest, models)
    return PredictionsResult(
        run.rows_written, fates.get("already", 0), fates.get("merged", 0), by_reason(rejects), covered
    )


def _unknown(store: Store, name: str) -> Iterator[Reject]:
    rows = store.rows(
        "select line, candidates[1] from given where line not in (select line from resolved) order by line"
    )
    for line, wanted in rows:
        message = f"the benchmark has no sample {wanted[:80]}"
        yield Reject(f"{name}:{line}", RejectReason.UNKNOWN_SAMPLE, message)


def _duplicates(store: Store, name: str) -> Iterator[Reject]:
    rows = store.rows(
        "select line, sample_id, is_stored and turn = 1 from decided where fate = 'duplicate' order by line"
    )
    for line, sample, is_stored in rows:
        where = "the store has; --replace takes the file's" if is_stored else "an earlier line has"
        message = f"another output for sample {sample} than {where}"
        yield Reject(f"{name}:{line}", RejectReason.DUPLICATE_KEY, message)


def coverage(store: Store, manifest: Manifest, models: Sequence[str] | None = None) -> list[Coverage]:
    """Return what models have outputs for, by split and mode of the samples in which they have any.

    Needs the view of `register_samples`.
    """
    rows = store.rows(
        _SQL["coverage"], {"benchmark": manifest.fingerprint, "models": None if models is None else list(models)}
    )
    return [Coverage(*row) for row in rows]
