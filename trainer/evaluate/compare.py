"""`cxr compare`: how far two models are apart on the samples that both answered, and whether that may be chance."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from cxr.miner.export.rows import Benchmark
from cxr.miner.kit.errors import InputError
from cxr.miner.stats.paired import holm, randomisation_tests
from cxr.miner.stats.resampling import Estimate, Floats, Integers, estimates, random_stream
from cxr.miner.store import Store
from cxr.schemas.measures import MEAN, OUTCOME
from cxr.trainer.evaluate.evaluate import register_predictions
from cxr.trainer.evaluate.formats import ResultTable
from cxr.trainer.evaluate.measures import ResultLine
from cxr.trainer.evaluate.results import CELL_MEASURES, Cell, Resampled, by_distribution, load_cells, place_of_task
from cxr.trainer.evaluate.settings import EvaluateSettings

SIDES = ("first", "second", "difference")


@dataclass(frozen=True)
class CellPair:
    """What two models did in one place, on the samples that both have an output for."""

    first: Cell
    second: Cell
    difference: Cell
    """First minus second, sample by sample."""


def load_evaluated(
    db: Path, folder: Path, settings: EvaluateSettings, models: list[str] | None
) -> tuple[list[Cell], str]:
    """Return the cells of models whose predictions `cxr evaluate` has scored, and the benchmark's name.

    Raises InputError where it has not: comparing judges nothing.
    """
    benchmark = Benchmark.open(folder)
    mark = benchmark.manifest.fingerprint
    with Store.read(db) as store:
        register_predictions(store, benchmark, models)
        # Of several versions of a judge, the one that scored last.
        versions = store.rows(
            "select judge_version from prediction_scores join runs using (run_id) where benchmark = ? and judge = ? "
            "group by 1 order by max(started_at) desc, 1",
            [mark, settings.judge],
        )
        version = str(versions[0][0]) if versions else ""
        missing = store.rows(
            "select model, count(*) from predictions where benchmark = $benchmark and text is not null "
            "and ($models is null or list_contains($models, model)) and prediction_id not in (select prediction_id "
            "from prediction_scores where judge = $judge and judge_version = $version) group by 1 order by 1",
            {"benchmark": mark, "models": models, "judge": settings.judge, "version": version},
        )
        if missing:
            said = ", ".join(f"{count:,} of {model}" for model, count in missing)
            raise InputError(
                f"predictions are not scored by {settings.judge}{f' {version}' if version else ''} yet: {said}; "
                f"run `cxr evaluate {folder}` first"
            )
        return load_cells(store, mark, settings.judge, version, settings, models), benchmark.manifest.name


def compare_models(
    cells: Sequence[Cell], models: Sequence[str], settings: EvaluateSettings, about: str, permutations: int
) -> list[ResultTable]:
    """Return a table for every two models, in and out of distribution; raises InputError where two share no sample."""
    tables = []
    for first, second in combinations(models, 2):
        parts = [
            (title, corpora, list(_pairs(found, first, second)))
            for title, corpora, found in by_distribution(cells, settings)
        ]
        pairs = [pair for *_, found in parts for pair in found]
        if not pairs:
            raise InputError(f"{first} and {second} have no sample in common; predict the same split in the same mode")
        notes = _notes(cells, first, second, pairs)
        tables += [
            ResultTable(
                f"{title}: {first} minus {second} on {about}{'; PARTIAL' if notes else ''}",
                list(_lines(found, (first, second, corpora), settings, permutations)),
                SIDES,
                (*notes, _METHOD.format(permutations=f"{permutations:,}")),
            )
            for title, corpora, found in parts
            if found
        ]
    return tables


_METHOD = (
    "p: paired randomisation test, two-sided, {permutations} permutations (exact where there are fewer); "
    "p_holm: Holm's correction over the tasks of a measure"
)


def _pairs(cells: Sequence[Cell], first: str, second: str) -> Iterator[CellPair]:
    """Pair the cells of two models by place, and their samples by id."""
    theirs = {_place(cell): cell for cell in cells if cell.model == second}
    for cell in cells:
        other = theirs.get(_place(cell))
        if cell.model != first or other is None:
            continue
        places = {sample: place for place, sample in enumerate(other.samples)}
        common = [(place, places[sample]) for place, sample in enumerate(cell.samples) if sample in places]
        left, right = _taken(cell, [one for one, _ in common]), _taken(other, [two for _, two in common])
        apart = left.values - right.values
        both = ~np.isnan(apart)
        if both.any():
            yield CellPair(
                replace(left, values=np.where(both, left.values, np.nan)),
                replace(right, values=np.where(both, right.values, np.nan)),
                replace(left, values=apart),
            )


def _taken(cell: Cell, places: list[int]) -> Cell:
    return replace(
        cell,
        samples=tuple(cell.samples[place] for place in places),
        values=cell.values[places],
        units=None if cell.units is None else cell.units[places],
    )


def _notes(cells: Sequence[Cell], first: str, second: str, pairs: Sequence[CellPair]) -> tuple[str, ...]:
    """Say where the two do not cover the same samples, or not all of them."""
    most: dict[tuple[str, str, str, str], int] = {}
    for cell in cells:
        if cell.model in {first, second}:
            most[_place(cell)] = max(cell.n_expected, most.get(_place(cell), 0))
    expected = sum(most.values())
    compared = sum(int((~np.isnan(pair.difference.values).all(axis=1)).sum()) for pair in pairs)
    if compared == expected:
        return ()
    return (f"PARTIAL: {compared:,} of {expected:,} questions are answered by both, and compared",)


def _place(cell: Cell) -> tuple[str, str, str, str]:
    return cell.mode, cell.split, cell.task, cell.corpus


def _lines(
    pairs: Sequence[CellPair], about: tuple[str, str, str], settings: EvaluateSettings, permutations: int
) -> Iterator[ResultLine]:
    """Return a line per task and measure, corpora with the same weight, and one per measure for the mean over tasks."""
    first, second, corpora = about
    groups: dict[tuple[str, str], dict[str, list[CellPair]]] = {}
    for pair in pairs:
        groups.setdefault((pair.first.mode, pair.first.split), {}).setdefault(pair.first.task, []).append(pair)
    for (mode, split), by_task in groups.items():
        tasks = sorted(by_task, key=place_of_task)
        made = {task: _Compared.of([by_task[task]], settings, permutations, task) for task in tasks}
        corrected = {
            place: dict(zip(tasks, holm([made[task].p_values[place] for task in tasks]), strict=True))
            for place in range(len(CELL_MEASURES))
        }
        if len(tasks) > 1:
            made[MEAN] = _Compared.of([by_task[task] for task in tasks], settings, permutations, MEAN)
        for task, compared in made.items():
            for place, measure in enumerate(CELL_MEASURES):
                if measure == OUTCOME and task != MEAN:
                    continue  # the outcome of one task is its accuracy, or its open answers' measure
                p_value = compared.p_values[place]
                if p_value is None:
                    continue
                keys: Mapping[str, Any] = {
                    "a": first, "b": second, "mode": mode, "split": split, "task": task, "corpus": corpora,
                    "measure": measure,
                    "n": int(compared.n[place]), "p": p_value, "p_holm": corrected[place].get(task),
                }  # fmt: skip
                yield ResultLine(keys, {side: compared.means[side][place] for side in SIDES})


@dataclass(frozen=True)
class _Compared:
    """Two models' means of each measure, their difference, and the test of it."""

    means: dict[str, list[Estimate]]
    """Of each of `SIDES`, measure by measure."""
    p_values: list[float | None]
    n: Floats

    @classmethod
    def of(
        cls, tasks: Sequence[Sequence[CellPair]], settings: EvaluateSettings, permutations: int, name: str
    ) -> "_Compared":
        """Compare over tasks, each of which is the mean over its corpora."""

        def averaged(cells: Iterable[Iterable[Cell]]) -> list[Estimate]:
            parts = [Resampled.mean_of([Resampled.of(cell, settings) for cell in found]) for found in cells]
            whole = Resampled.mean_of(parts)
            return estimates(whole.means, whole.resampled, whole.units)

        differences, units = _contributions(tasks)
        stream = random_stream(settings.seed, f"permutations/{tasks[0][0].first.split}/{name}")
        counted = [~np.isnan(pair.difference.values) for found in tasks for pair in found]
        return cls(
            {side: averaged([getattr(pair, side) for pair in found] for found in tasks) for side in SIDES},
            randomisation_tests(differences, stream, permutations=permutations, units=units),
            np.sum([flags.sum(axis=0) for flags in counted], axis=0).astype(np.float64),
        )


def _contributions(tasks: Sequence[Sequence[CellPair]]) -> tuple[Floats, Integers]:
    """Weigh each pair's difference so that their sum is the mean over tasks of the means over corpora."""
    parts, units = [], []
    offsets: dict[tuple[str, str], int] = {}
    start = 0
    # Which corpora of which task have a value, measure by measure.
    corpora = [np.sum([(~np.isnan(pair.difference.values)).any(axis=0) for pair in found], axis=0) for found in tasks]
    task_count = np.sum([count > 0 for count in corpora], axis=0)
    for found, corpus_count in zip(tasks, corpora, strict=True):
        for pair in found:
            cell = pair.difference
            number = (~np.isnan(cell.values)).sum(axis=0)
            with np.errstate(divide="ignore", invalid="ignore"):
                parts.append(cell.values / (number * corpus_count * task_count))
            # Patients are numbered within a corpus, and are the same in all tasks; samples are apart.
            key = (cell.split, cell.corpus) if cell.units is not None else (cell.stratum, cell.task)
            if key not in offsets:
                offsets[key] = start
                start += cell.unit_count
            own = np.arange(len(cell.values)) if cell.units is None else cell.units
            units.append(own + offsets[key])
    return np.concatenate(parts), np.concatenate(units)
