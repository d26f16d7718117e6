"""From scored predictions to lines of results: cells of task x corpus, and their means, each with its interval.

A *cell* is what one model, asked in one mode, did on one task in one corpus and split. Means over corpora and over
tasks give every corpus and task the same weight, as in the paper (section 3); corpora of other hospitals stand apart.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from cxr.miner.judge.significance import weights_version
from cxr.miner.judge.weights import Weights
from cxr.miner.kit.sql import read_sql
from cxr.miner.stats.resampling import Floats, Integers, estimates, mean, random_stream, resampled_means
from cxr.miner.store import Store
from cxr.schemas.measures import (
    ACCURACY,
    CROSS_CENTRE,
    FINDING_F1,
    MEAN,
    OUTCOME,
    RATESCORE,
    REASONING_MEASURES,
    WEIGHTED,
)
from cxr.schemas.vocabulary import Task
from cxr.trainer.evaluate.measures import COUNTS, FindingCounts, ResultLine, radrscore_shares
from cxr.trainer.evaluate.settings import EvaluateSettings

_SQL = read_sql("cxr.trainer.evaluate")

CELL_MEASURES = (*REASONING_MEASURES, WEIGHTED, ACCURACY, FINDING_F1, RATESCORE, OUTCOME)


@dataclass(frozen=True)
class Cell:
    """What one model did in one place: its samples, and the values of each."""

    model: str
    mode: str
    split: str
    task: str
    corpus: str
    samples: tuple[str, ...]
    values: Floats
    """Samples x CELL_MEASURES, in their order; NaN where a measure does not apply or nothing was predicted."""
    units: Integers | None
    """The patient of each sample, numbered over all tasks of the corpus; None where every sample is a unit."""
    unit_count: int
    n: int
    n_judged: int
    n_unparsed: int
    n_expected: int

    @property
    def group(self) -> tuple[str, str, str]:
        """What lines stand together: model, mode, split."""
        return self.model, self.mode, self.split

    @property
    def stratum(self) -> str:
        """Names the draws of this cell: the same for every model, so that models are compared on the same draws.

        Patients are drawn once for all tasks of a corpus, because they occur in several.
        """
        place = f"{self.split}/{self.corpus}"
        return place if self.units is not None else f"{place}/{self.task}"


def load_cells(
    store: Store,
    benchmark: str,
    judge: str,
    judge_version: str,
    settings: EvaluateSettings,
    models: list[str] | None = None,
) -> list[Cell]:
    """Return the cells of a benchmark's predictions, of all models or of some; needs the view `bench_samples`."""
    frame = store.frame(
        _SQL["units"],
        {
            "benchmark": benchmark,
            "models": models,
            "judge": judge,
            "version": judge_version,
            "counts": list(COUNTS),
            "weights": weights_version() if settings.weights is Weights.SIGNIFICANCE else None,
        },
    )
    by_patient = settings.cluster == "patient"
    numbers: dict[tuple[str, ...], dict[str, int]] = {}
    cells = []
    place: tuple[Any, ...]
    for place, rows in frame.group_by("model", "mode", "split", "task", "corpus", maintain_order=True):
        model, mode, split, task, corpus = place
        known = numbers.setdefault((model, mode, split, corpus), {})
        units = [known.setdefault(patient, len(known)) for patient in rows["patient"]] if by_patient else None
        said = rows["prediction_id"].is_not_null()
        cells.append(
            Cell(
                model=model, mode=mode, split=split, task=task, corpus=corpus,
                samples=tuple(rows["sample_id"]),
                values=_values(rows, settings),
                units=None if units is None else np.array(units, dtype=np.int64),
                unit_count=rows.height,
                n=int(said.sum()),
                n_judged=int(rows["n_pred"].is_not_null().sum()),
                n_unparsed=int(rows["unparsed"].fill_null(value=False).sum()),
                n_expected=rows.height,
            )
        )  # fmt: skip
    if not by_patient:
        return cells
    counts = {key: len(known) for key, known in numbers.items()}
    return [replace(cell, unit_count=counts[*cell.group, cell.corpus]) for cell in cells]


def _values(rows: pl.DataFrame, settings: EvaluateSettings) -> Floats:
    counts = FindingCounts(**{name: _floats(rows[name]) for name in COUNTS})
    weighted, correct, f1, rate = (_floats(rows[name]) for name in ("weighted", "correct", "finding_f1", "ratescore"))
    outcome = np.where(np.isnan(correct), np.where(np.isnan(rate), f1, rate), correct)
    return np.column_stack([radrscore_shares(counts, settings.empty), weighted, correct, f1, rate, outcome])


def _floats(column: pl.Series) -> Floats:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


@dataclass(frozen=True)
class Resampled:
    """The means of a cell, or of several, and the same in every resample."""

    means: Floats
    resampled: Floats
    units: int

    @classmethod
    def of(cls, cell: Cell, settings: EvaluateSettings) -> "Resampled":
        """Resample one cell; samples without a prediction are not drawn."""
        predicted = ~np.isnan(cell.values).all(axis=1)
        values = cell.values[predicted]
        units = None if cell.units is None else cell.units[predicted]
        drawn = resampled_means(
            values,
            random_stream(settings.seed, cell.stratum),
            resamples=settings.resamples,
            units=units,
            count=None if units is None else cell.unit_count,
        )
        return cls(mean(values), drawn, len(values) if units is None else len(np.unique(units)))

    @classmethod
    def mean_of(cls, parts: Sequence["Resampled"]) -> "Resampled":
        """Return the mean of parts, each with the same weight; a part without a value of a measure is left out."""
        means = np.stack([part.means for part in parts])
        defined = ~np.isnan(means)
        drawn = np.stack([part.resampled for part in parts])
        # A part that never has a value is left out; one that has none in a resample takes that resample with it.
        total = np.where(defined[:, None, :], drawn, 0.0).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            count = defined.sum(axis=0)
            return cls(
                np.where(defined, means, 0.0).sum(axis=0) / count, total / count, min(part.units for part in parts)
            )


def lines_of(cells: Iterable[Cell], settings: EvaluateSettings, mean_name: str = MEAN) -> list[ResultLine]:
    """Return a line per cell, per task its mean over corpora, and the mean over tasks; cells come from one table.

    `mean_name` stands in the place of the corpus where the line is a mean over corpora.

    The mean over tasks takes, of an open answer, RaTEScore or else the finding F1: the measure `outcome`.
    """
    lines = []
    for by_task in by_group(cells).values():
        of_tasks = []
        for task, found in by_task.items():
            parts = [Resampled.of(cell, settings) for cell in found]
            lines += [_line([cell], part, task, cell.corpus) for cell, part in zip(found, parts, strict=True)]
            of_tasks.append(Resampled.mean_of(parts))
            if len(found) > 1:
                lines.append(_line(found, of_tasks[-1], task, mean_name))
        if len(by_task) > 1:
            everything = [cell for found in by_task.values() for cell in found]
            lines.append(_line(everything, Resampled.mean_of(of_tasks), MEAN, mean_name))
    return lines


def by_group(cells: Iterable[Cell]) -> dict[tuple[str, str, str], dict[str, list[Cell]]]:
    """Return the cells of each model, mode and split by task, in the order of tasks."""
    groups: dict[tuple[str, str, str], dict[str, list[Cell]]] = {}
    for cell in cells:
        groups.setdefault(cell.group, {}).setdefault(cell.task, []).append(cell)
    return {
        group: {task: by_task[task] for task in sorted(by_task, key=place_of_task)} for group, by_task in groups.items()
    }


def by_distribution(cells: Sequence[Cell], settings: EvaluateSettings) -> Iterator[tuple[str, str, list[Cell]]]:
    """Return the cells of the corpora that models are trained on, then those of other hospitals, where there are any.

    Before them stand a title, and what is written in the place of the corpus where a line is a mean over corpora.
    """
    for title, wanted, mean_name in (("In distribution", False, MEAN), ("Cross-centre", True, CROSS_CENTRE)):
        if found := [cell for cell in cells if (cell.corpus in settings.cross_centre) is wanted]:
            yield title, mean_name, found


def place_of_task(task: str) -> tuple[int, str]:
    """Return the sort key of a task: ours in their order, then others by name."""
    known = [str(one) for one in Task]
    return (known.index(task) if task in known else len(known), task)


def _line(cells: Sequence[Cell], part: Resampled, task: str, corpus: str) -> ResultLine:
    first = cells[0]
    keys: Mapping[str, Any] = {
        "model": first.model,
        "mode": first.mode,
        "split": first.split,
        "task": task,
        "corpus": corpus,
        "n": sum(cell.n for cell in cells),
        "n_judged": sum(cell.n_judged for cell in cells),
        "n_missing": sum(cell.n_expected - cell.n for cell in cells),
        "n_unparsed": sum(cell.n_unparsed for cell in cells),
    }
    found = dict(zip(CELL_MEASURES, estimates(part.means, part.resampled, part.units), strict=True))
    if task != MEAN:
        del found[OUTCOME]
    return ResultLine(keys, found)
