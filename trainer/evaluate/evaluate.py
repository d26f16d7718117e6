"""`cxr evaluate`: score what has not been scored, and give the tables of a benchmark."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from cxr.miner.export.rows import Benchmark
from cxr.miner.imports.predictions import Coverage, coverage, register_samples
from cxr.miner.judge import open_judge
from cxr.miner.judge.weights import Weights
from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.parallel import Advance
from cxr.miner.kit.sql import read_sql
from cxr.miner.llm.store_books import StoreBooks
from cxr.miner.store import Store
from cxr.schemas.measures import REASONING_MEASURES, WEIGHTED
from cxr.schemas.vocabulary import Licence
from cxr.trainer.evaluate.formats import ResultTable
from cxr.trainer.evaluate.measures import ResultLine
from cxr.trainer.evaluate.results import CELL_MEASURES, Cell, by_distribution, lines_of, load_cells
from cxr.trainer.evaluate.scoring import ScoringResult, score_predictions
from cxr.trainer.evaluate.settings import EvaluateSettings
from cxr.trainer.reward.rewards import RateScore

_SQL = read_sql("cxr.trainer.evaluate")

# DuckDB's share of the memory: what it cannot hold goes to disk. The judges' processes need the rest.
_MEMORY = "600MB"
_KEPT = ("model", "mode", "split", "task", "corpus", "n", "n_missing", "n_unparsed")


@dataclass(frozen=True)
class Evaluation:
    """A benchmark's results: its tables, what was scored for them, and what they do not cover."""

    tables: list[ResultTable]
    scoring: ScoringResult
    coverage: list[Coverage]
    unread: list[tuple[str, str, int]]
    """Model, why an answer could not be read, and how many."""
    errors: list[tuple[str, str, str, int]]
    """Model, mode, and in what how many of its findings are wrong."""
    empty: dict[str, int]
    """Shares in which there was nothing to count, left out where empty ones are skipped."""


def evaluate_benchmark(
    db: Path,
    folder: Path,
    settings: EvaluateSettings,
    advance: Advance,
    *,
    models: list[str] | None = None,
    ratescore: RateScore | None = None,
) -> Evaluation:
    """Score a benchmark's predictions and give its tables, which are kept in the store's `evaluations` too.

    Raises InputError where the store has no predictions for it, PolicyError before anything is sent where text may
    not go to the judge's server, BudgetReached after what was finished has been written.
    """
    benchmark = Benchmark.open(folder)
    mark = benchmark.manifest.fingerprint
    with Store.write(db) as store:
        register_predictions(store, benchmark, models)
        licences = store.rows("select distinct licence from bench_samples where mode = 'reasoning'")
        books = StoreBooks(store, "evaluate", [Licence(licence) for (licence,) in licences])
        with open_judge(settings, books) as judge:
            scoring = score_predictions(
                store, mark, judge, settings, advance, books, models=models, ratescore=ratescore
            )
        cells = load_cells(store, mark, scoring.judge, scoring.judge_version, settings, models)
        covered = coverage(store, benchmark.manifest, models)
        tables = tables_of(cells, settings, f"{benchmark.manifest.name}, judged by {scoring.judge}")
        _keep(store, mark, scoring, settings, [line for table in tables for line in table.lines])
        unread = store.rows(
            "select model, answer_read, count(*) from prediction_scores where benchmark = ? and judge = ? "
            "and judge_version = ? and unparsed group by all order by 1, 3 desc, 2",
            [mark, scoring.judge, scoring.judge_version],
        )
        judged = {"benchmark": mark, "judge": scoring.judge, "version": scoring.judge_version, "models": models}
        errors = store.rows(_SQL["errors"], judged)
    wanted = {cell.model for cell in cells}
    return Evaluation(tables, scoring, covered, [row for row in unread if row[0] in wanted], errors, _empty(cells))


def register_predictions(store: Store, benchmark: Benchmark, models: list[str] | None) -> None:
    """Make the view `bench_samples` of what was predicted, and leave memory to the judges.

    Raises InputError where the store has no predictions of this benchmark, or none by a model that was named.
    Predictions of another version of the benchmark are named with its fingerprint.
    """
    store.connection.execute(f"set memory_limit = '{_MEMORY}'")
    register_samples(store, benchmark)
    mark = benchmark.manifest.fingerprint
    known = [
        model
        for (model,) in store.rows("select distinct model from predictions where benchmark = ? order by 1", [mark])
    ]
    if not known:
        others = [other for (other,) in store.rows("select distinct benchmark from predictions order by 1")]
        found = f"there are some for {', '.join(map(str, others[:5]))}" if others else "there are none at all"
        raise InputError(
            f"{store.path} has no predictions for {benchmark.folder} ({mark}); {found}: "
            "see `cxr predict` and `cxr import predictions`"
        )
    unknown = [model for model in models or () if model not in known]
    if unknown:
        raise InputError(f"{store.path} has no predictions by {', '.join(unknown)}; it has {', '.join(known)}")


def tables_of(cells: Sequence[Cell], settings: EvaluateSettings, about: str) -> list[ResultTable]:
    """Return the table of the corpora that models are trained on, and that of other hospitals, where there are any."""
    made = []
    shown = [name for name in CELL_MEASURES if name != WEIGHTED or settings.weights is not Weights.NONE]
    for title, mean_name, found in by_distribution(cells, settings):
        notes = partial_notes(found)
        partial = "; PARTIAL" if notes else ""
        made.append(ResultTable(f"{title}: {about}{partial}", lines_of(found, settings, mean_name), shown, notes))
    return made


def partial_notes(cells: Sequence[Cell]) -> list[str]:
    """Return for each model and mode that does not cover the samples of these cells how many it covers."""
    notes = []
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    for (model, mode, split), found in groups.items():
        n, expected = sum(cell.n for cell in found), sum(cell.n_expected for cell in found)
        if n < expected:
            notes.append(
                f"PARTIAL: {model} ({mode}) has outputs for {n:,} of {expected:,} questions of split {split}; "
                "the rest is left out"
            )
    return notes


def _empty(cells: Sequence[Cell]) -> dict[str, int]:
    """Count, for each share, the judged samples in which it has no value."""
    judged = sum(cell.n_judged for cell in cells)
    counted = [
        sum(int((~np.isnan(cell.values[:, place])).sum()) for cell in cells)
        for place in range(len(REASONING_MEASURES) - 1)
    ]
    return {name: judged - count for name, count in zip(REASONING_MEASURES, counted, strict=False) if judged > count}


def _keep(
    store: Store, benchmark: str, scoring: ScoringResult, settings: EvaluateSettings, lines: Sequence[ResultLine]
) -> None:
    """Write a row per line and measure into `evaluations`, in the place of what this judge's evaluation said before."""
    rows = [
        {
            **{name: line.keys[name] for name in _KEPT}, "benchmark": benchmark, "measure": measure,
            "value": found.value, "low": found.low, "high": found.high,
            "n_expected": line.keys["n"] + line.keys["n_missing"],
        }
        for line in lines
        for measure, found in line.measures.items()
        if found.value is not None
    ]  # fmt: skip
    names = {name: pl.Float64() for name in ("value", "low", "high")}
    frame = pl.DataFrame(rows, schema_overrides=names, infer_schema_length=None)
    recorded: dict[str, object] = {"benchmark": benchmark, "judge": scoring.judge, "tables": len(rows)}
    with store.run("evaluate", settings.statistics | recorded) as run, store.transaction():
        models = sorted({str(line.keys["model"]) for line in lines})
        store.connection.execute(
            "delete from evaluations where benchmark = ? and judge = ? and judge_version = ? "
            "and list_contains(?, model)",
            [benchmark, scoring.judge, scoring.judge_version, models],
        )
        run.rows_written = store.insert(
            "evaluations",
            frame.with_columns(
                judge=pl.lit(scoring.judge),
                judge_version=pl.lit(scoring.judge_version),
                settings=pl.lit(json.dumps(settings.statistics, sort_keys=True)),
                settings_hash=pl.lit(digest("evaluation", settings.statistics)),
                run_id=pl.lit(run.run_id),
            ),
        )
