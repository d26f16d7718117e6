"""`cxr evaluate --from-counts`: judgements made elsewhere, aggregated by the same code as our own."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cxr.miner.judge.radrscore import Empty
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.visible import columns_found
from cxr.miner.stats.resampling import bootstrap, random_stream
from cxr.schemas.measures import ACCURACY, REASONING_MEASURES
from cxr.schemas.vocabulary import Task
from cxr.trainer.evaluate.measures import COUNTS, FindingCounts, ResultLine, empty_shares, radrscore_shares

COUNT_COLUMNS = ("model", "task", "row", *COUNTS, "correct")
COUNT_MEASURES = (*REASONING_MEASURES, ACCURACY)
_TRUTH = {"true": 1.0, "false": 0.0}


class CountRow(NamedTuple):
    """One judged answer: the line of the file it stands in, its counts, and whether the answer is right."""

    line: int
    model: str
    task: str
    row: str
    n_pred: float
    n_correct: float
    n_gt: float
    n_recalled: float
    n_effective: float
    n_ineffective: float
    correct: float | None

    @property
    def impossible(self) -> str | None:
        """Why these counts cannot be, or None where they can."""
        if min(self[4:10]) < 0:
            name = next(name for name in COUNTS if getattr(self, name) < 0)
            return f"{name} {getattr(self, name):g} is negative"
        if self.n_correct > self.n_pred:
            return f"n_correct {self.n_correct:g} > n_pred {self.n_pred:g}"
        if self.n_recalled > self.n_gt:
            return f"n_recalled {self.n_recalled:g} > n_gt {self.n_gt:g}"
        if self.correct is not None and not 0 <= self.correct <= 1:
            return f"correct {self.correct:g} is not between 0 and 1"
        return None


@dataclass(frozen=True)
class CountsResult:
    """A line per model and task, the rows whose counts cannot be, and how many shares had nothing to count."""

    lines: list[ResultLine]
    impossible: list[CountRow]
    empty: dict[str, int]


def evaluate_counts(path: Path, *, empty: Empty, resamples: int, seed: int) -> CountsResult:
    """Aggregate a file of counts; raises InputError with the line where it cannot be read."""
    groups: dict[tuple[str, str], list[CountRow]] = {}
    impossible = []
    for row in read_counts(path):
        groups.setdefault((row.model, row.task), []).append(row)
        if row.impossible is not None:
            impossible.append(row)
    if not groups:
        raise InputError(f"{path} has a header and no rows; expected one row per judged answer")
    lines, nothing = [], dict.fromkeys(REASONING_MEASURES[:3], 0)
    for model, task in _ordered(groups):
        rows = groups[model, task]
        counts = FindingCounts.of([row._asdict() for row in rows])
        correct = np.array([row.correct for row in rows], dtype=np.float64)
        values = np.column_stack([radrscore_shares(counts, empty), correct])
        found = bootstrap(values, random_stream(seed, f"{model}/{task}"), resamples=resamples)
        lines.append(
            ResultLine({"model": model, "task": task, "n": len(rows)}, dict(zip(COUNT_MEASURES, found, strict=True)))
        )
        for name, count in empty_shares(counts).items():
            nothing[name] += count
    return CountsResult(lines, impossible, nothing)


def read_counts(path: Path) -> Iterator[CountRow]:
    """Return the rows of a file of counts; raises InputError with the line for a column or number that is not one."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle)
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header)
            places = [header.index(name) for name in COUNT_COLUMNS]
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield _row(path, reader.line_num, cells, len(header), places)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start}); save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise InputError(
            f"{path} is no CSV that can be read ({error}); expected columns {', '.join(COUNT_COLUMNS)}"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected a CSV file of counts") from None


def _check_header(path: Path, header: list[str]) -> None:
    missing = [name for name in COUNT_COLUMNS if name not in header]
    if missing:
        raise InputError(
            f"{path} line 1 lacks {', '.join(missing)} ({columns_found(header)}); expected {', '.join(COUNT_COLUMNS)}"
        )
    twice = [name for name in COUNT_COLUMNS if header.count(name) > 1]
    if twice:
        raise InputError(f"{path} line 1 names {', '.join(twice)} twice; expected each column once")


def _row(path: Path, line: int, cells: list[str], width: int, places: list[int]) -> CountRow:
    if len(cells) != width:
        raise InputError(f"{path} line {line} has {len(cells)} values; expected {width}, as in the header")
    model, task, row, *numbers, correct = (cells[place].strip() for place in places)
    if not model or not task:
        raise InputError(f"{path} line {line} names no {'task' if model else 'model'}; expected one in every row")
    counts = {name: _count(path, line, name, text) for name, text in zip(COUNTS, numbers, strict=True)}
    return CountRow(line, model, task, row, **counts, correct=_correct(path, line, correct))


def _count(path: Path, line: int, name: str, text: str) -> float:
    number = _number(text)
    if number is None or number != int(number):
        raise InputError(f"{path} line {line}: {name} is {text[:40]!r}; expected a whole number")
    return number


def _correct(path: Path, line: int, text: str) -> float | None:
    if not text:
        return None
    number = _TRUTH.get(text.lower(), _number(text))
    if number is None:
        raise InputError(f"{path} line {line}: correct is {text[:40]!r}; expected 1, 0 or nothing (not answered)")
    return number


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _ordered(groups: dict[tuple[str, str], list[CountRow]]) -> list[tuple[str, str]]:
    """Order groups by model as they first occur, and within one by task, ours first."""
    models = {model: place for place, (model, _) in reversed(list(enumerate(groups)))}
    tasks = {str(task): place for place, task in enumerate(Task)}
    return sorted(groups, key=lambda group: (models[group[0]], tasks.get(group[1], len(tasks))))
