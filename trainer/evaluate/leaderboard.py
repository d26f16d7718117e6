"""The leaderboard: models as rows, tasks as columns, a table per measure; the paper's numbers as rows marked so."""

import tomllib
from collections.abc import Sequence
from importlib.resources import files

from cxr.miner.stats.resampling import NO_ESTIMATE, Estimate, estimates
from cxr.schemas.measures import MEAN, OUTCOME, REASONING_MEASURES
from cxr.schemas.vocabulary import Task
from cxr.trainer.evaluate.formats import ResultTable
from cxr.trainer.evaluate.measures import ResultLine
from cxr.trainer.evaluate.results import CELL_MEASURES, Cell, Resampled, by_group
from cxr.trainer.evaluate.settings import EvaluateSettings

PAPER = "arXiv 2504.20930"
MEASURE_ORDER = (REASONING_MEASURES[-1], *REASONING_MEASURES[:-1], OUTCOME)
_NOTE = (
    f"published: as printed in the text of {PAPER}, in the section named; measured by its authors on their test sets "
    "with GPT-4o as judge, and no results of this benchmark"
)


def leaderboard(
    cells: Sequence[Cell], settings: EvaluateSettings, about: str, notes: Sequence[str], *, published: bool
) -> list[ResultTable]:
    """Return a table per measure, best mean first; corpora of other hospitals are left out of it."""
    found = [cell for cell in cells if cell.corpus not in settings.cross_centre]
    resampled = {
        group: {
            task: Resampled.mean_of([Resampled.of(cell, settings) for cell in cells_of_task])
            for task, cells_of_task in by_task.items()
        }
        for group, by_task in by_group(found).items()
    }
    tables = []
    for measure in MEASURE_ORDER:
        place = CELL_MEASURES.index(measure)
        lines = []
        for (model, mode, split), parts in resampled.items():
            whole = Resampled.mean_of(list(parts.values()))
            shown = {
                task: estimates(part.means, part.resampled, part.units)[place]
                for task, part in [*parts.items(), (MEAN, whole)]
            }
            if any(estimate != NO_ESTIMATE for estimate in shown.values()):
                keys = {"measure": measure, "model": model, "mode": mode, "split": split, "source": about}
                lines.append(ResultLine(keys, shown))
        lines.sort(key=_best_first)
        if published:
            lines += published_lines(measure)
        if lines:
            added = (_NOTE,) if published else ()
            tasks = list(dict.fromkeys([*map(str, Task), *(task for line in lines for task in line.measures)]))
            columns = [task for task in tasks if task != MEAN] + [MEAN]
            title = f"Leaderboard: {measure}, mean over corpora{'; PARTIAL' if notes else ''}"
            tables.append(ResultTable(title, lines, columns, (*notes, *added)))
    return tables


def _best_first(line: ResultLine) -> tuple[bool, float]:
    value = line.measures[MEAN].value
    return value is None, -(value or 0.0)


def published_lines(measure: str) -> list[ResultLine]:
    """Return the paper's numbers of a measure; task columns that its text does not print are missing."""
    rows = tomllib.loads(files(__package__).joinpath("published.toml").read_text(encoding="utf-8"))["row"]
    return [
        ResultLine(
            {"measure": measure, "model": row["model"], "mode": "reasoning", "split": "test",
             "source": f"published ({PAPER}, {row['section']})"},
            {task: Estimate(*row[task]) for task in (*map(str, Task), MEAN) if task in row},
        )
        for row in rows
        if row["measure"] == measure
    ]  # fmt: skip
