"""Evaluations: bars with intervals (the paper's Figures 3 and 4), a radar (1(d)), and how far judges agree.

The numbers are those that `cxr evaluate` wrote into `evaluations`; nothing is estimated anew here.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cxr.miner.charts.data import Chart, Series
from cxr.miner.charts.figures import MOST_SERIES, bars, dots, radar
from cxr.miner.kit.sql import read_sql
from cxr.miner.report.parts import PageNote, PagePart, PageSection, PageTable, series_of
from cxr.miner.stats.resampling import Estimate
from cxr.miner.store import Store
from cxr.schemas.measures import CROSS_CENTRE, MEAN, RADRSCORE, REASONING_MEASURES
from cxr.schemas.vocabulary import Task

_SQL = read_sql("cxr.miner.report")

MOST_EVALUATIONS = 4


MeasureKey = tuple[str, str, str, str]
"""Model, mode, task, measure."""


def evaluations_section(store: Store) -> PageSection | None:
    """Return the section, or None for a store without evaluations."""
    groups = store.rows(_SQL["evaluations"])
    if not groups:
        return None
    parts: list[PagePart] = []
    for number, (benchmark, split, judge, _) in enumerate(groups[:MOST_EVALUATIONS], start=1):
        rows = store.frame(_SQL["evaluated"], [benchmark, split, judge]).to_dicts()
        about = "" if len(groups) == 1 else f" ({str(benchmark)[:8]}, {split}, {judge})"
        parts.append(PageNote(f"Benchmark {benchmark}, split {split}, reasoning judged by {judge}."))
        parts += _group_parts(_Evaluation(number, about, rows))
    if len(groups) > MOST_EVALUATIONS:
        parts.append(
            PageNote(f"{len(groups) - MOST_EVALUATIONS} older evaluations are in the table `evaluations` only.")
        )
    judges = store.rows(_SQL["prediction_judges"])
    columns = (
        *("first judge", "second judge", "predictions", "RadRScore by the first", "by the second"),
        *("correlation: factuality", "completeness", "effectiveness", "RadRScore", "mean difference, absolute"),
    )
    if judges:
        parts.append(PageTable("Reliability of the judge: two judges on the same predictions", columns, tuple(judges)))
    else:
        parts.append(
            PageNote("One judge alone has scored these predictions; evaluate with another to see how they agree.")
        )
    intro = (
        "How good models' reasoning is and how right their answers are, as `cxr evaluate` found, with its 95 % "
        "intervals. Means over tasks give each task the same weight; corpora of other hospitals stand apart."
    )
    return PageSection("evaluations", "Evaluations", intro, parts)


@dataclass(frozen=True)
class _Evaluation:
    """One evaluation of a benchmark's split by one judge: its number on the page, and what sets its titles apart."""

    number: int
    about: str
    rows: Sequence[dict[str, Any]]

    @cached_property
    def values(self) -> dict[MeasureKey, Estimate]:
        return by_task(self.rows)

    @cached_property
    def tasks(self) -> list[str]:
        return [str(task) for task in Task if any(key[2] == task for key in self.values)]

    def best(self, mode: str) -> tuple[list[str], list[str]]:
        """Return the models that a chart has room for, best mean first, and the others."""

        def mean(model: str) -> float:
            found = (self.values.get((model, mode, MEAN, measure)) for measure in ("radrscore", "outcome", "accuracy"))
            return next((one.value for one in found if one is not None and one.value is not None), -1.0)

        models = dict.fromkeys(model for (model, other, _, _) in self.values if other == mode)
        ordered = sorted(models, key=lambda model: (-mean(model), model))
        return ordered[:MOST_SERIES], ordered[MOST_SERIES:]

    def series(self, model: str, mode: str, places: Iterable[tuple[str, Sequence[str]]]) -> Series:
        """Take, for each task, the first of its measures that there is."""
        return series_of(
            model,
            [
                next((self.values[key] for name in measures if (key := (model, mode, task, name)) in self.values), None)
                for task, measures in places
            ],
        )

    def bars(
        self,
        name: str,
        title: str,
        mode: str,
        models: Sequence[str],
        tasks: Mapping[str, str],
        measures: Sequence[str],
        measure: str,
        description: str,
    ) -> Chart:
        """Draw the first measure that there is, per task and as a mean; `tasks` are shown under their names."""
        places = [(task, measures) for task in (*tasks, MEAN)]
        return bars(
            f"evaluation-{self.number}-{name}",
            f"{title}{self.about}",
            [*tasks.values(), "mean of tasks"],
            [self.series(model, mode, places) for model in models],
            measure=measure,
            description=description,
            limits=(0, 1),
        )  # fmt: skip


def _group_parts(group: _Evaluation) -> list[PagePart]:
    reasoning, left_out = group.best("reasoning")
    parts: list[PagePart] = []
    plain = {task: task for task in group.tasks}
    for measure in REASONING_MEASURES:  # Figure 3, in the paper's order
        if any((model, "reasoning", task, measure) in group.values for model in reasoning for task in (*plain, MEAN)):
            name = "RadRScore" if measure == RADRSCORE else measure
            title = name[0].upper() + name[1:]
            told = f"{title} of each model's reasoning per task, and the mean over tasks."
            title = f"{title} by task"
            parts.append(group.bars(measure, title, "reasoning", reasoning, plain, [measure], name, told))
    parts += [*_outcomes(group), *_radar(group, reasoning), *_by_corpus(group, reasoning)]
    if left_out:
        parts.append(
            PageNote(f"Charts show the {MOST_SERIES} models with the best mean; without: {', '.join(left_out)}.")
        )
    covered = {
        (row["model"], row["mode"], row["task"], row["corpus"], row["n"]): row
        for row in group.rows
        if row["task"] == MEAN or not any(other["task"] == MEAN for other in group.rows)
    }
    asked = {"reasoning": "reasoning and answer", "answer_only": "answer only"}
    coverage = [
        (row["model"], asked[row["mode"]], _all(row["task"]), _all(row["corpus"]), row["n"], row["n_expected"],
         row["n_missing"], row["n_unparsed"])
        for row in covered.values()
    ]  # fmt: skip
    columns = ("model", "asked for", "task", "corpus", "outputs", "expected", "missing", "answers not readable")
    parts.append(PageTable(f"Coverage{group.about}", columns, tuple(coverage)))
    return parts


def by_task(rows: Iterable[dict[str, Any]]) -> dict[MeasureKey, Estimate]:
    """Return what stands for each task: its only corpus, or the mean over corpora, without those of other hospitals.

    The means of other hospitals stand under a corpus of their own (`cross_centre`).
    """
    rows = list(rows)
    sizes: dict[tuple[str, str, str], dict[str, int]] = {}
    for row in rows:
        if MEAN not in {row["task"], row["corpus"]} and row["corpus"] not in _cross_centre(row):
            sizes.setdefault((row["model"], row["mode"], row["task"]), {})[row["corpus"]] = row["n"]
    totals: dict[tuple[str, str], int] = {}
    for (model, mode, _), corpora in sizes.items():
        totals[model, mode] = totals.get((model, mode), 0) + sum(corpora.values())
    found: dict[MeasureKey, Estimate] = {}
    for row in rows:
        model, mode, task, corpus = (row[name] for name in ("model", "mode", "task", "corpus"))
        corpora = sizes.get((model, mode, task), {})
        if task == MEAN:
            fits = corpus == MEAN and row["n"] == totals.get((model, mode))
        elif corpus == MEAN:
            fits = len(corpora) > 1 and row["n"] == sum(corpora.values())
        else:
            fits = corpora.keys() == {corpus}
        if fits:
            found.setdefault((model, mode, task, row["measure"]), Estimate(row["value"], row["low"], row["high"]))
    # A single task has no row for the mean over tasks: it is its own.
    for model, mode in totals:
        own = {key[2] for key in sizes if key[:2] == (model, mode)}
        if len(own) == 1:
            (task,) = own
            for key, value in list(found.items()):
                if key[:3] == (model, mode, task):
                    found.setdefault((model, mode, MEAN, key[3]), value)
    return found


def _cross_centre(row: dict[str, Any]) -> list[str]:
    settings = json.loads(row["settings"]) if row["settings"] else {}
    return [CROSS_CENTRE, *settings.get("cross_centre", [])]


# What is known about an answer, the best first: `outcome` is there for the mean over tasks only.
_ANSWER = ("outcome", "accuracy", "ratescore", "finding_f1")


def _outcomes(group: _Evaluation) -> Iterator[PagePart]:
    for mode, asked in (("reasoning", "after reasoning"), ("answer_only", "without reasoning")):
        models, _ = group.best(mode)
        if models:
            measures = {task: {key[3] for key in group.values if key[1:3] == (mode, task)} for task in group.tasks}
            here = {task: _with_measure(task, found) for task, found in measures.items() if found}
            name = f"outcome-{mode.replace('_', '-')}"
            told = "Accuracy per task; open answers (anomaly) by RaTEScore, or else by finding F1."
            yield group.bars(name, f"Right answers by task, {asked}", mode, models, here, _ANSWER, "accuracy", told)


def _with_measure(task: str, measures: Collection[str]) -> str:
    if "accuracy" in measures:
        return task
    return f"{task} (RaTEScore)" if "ratescore" in measures else f"{task} (finding F1)"


def _radar(group: _Evaluation, models: Sequence[str]) -> Iterator[PagePart]:
    if len(group.tasks) > 1 and models:
        spokes = [(task, ("radrscore",)) for task in group.tasks] + [(task, _ANSWER) for task in group.tasks]
        series = [Series(model, group.series(model, "reasoning", spokes).values) for model in models]
        yield radar(
            f"evaluation-{group.number}-radar",
            f"Reasoning and answers at a glance{group.about}",
            [*(f"{task} RadRScore" for task in group.tasks), *(f"{task} answer" for task in group.tasks)],
            series,
            measure="score",
            description="A polygon per model: RadRScore of its reasoning and the score of its answers, by task.",
        )


def _by_corpus(group: _Evaluation, models: Sequence[str]) -> Iterator[PagePart]:
    """Draw accuracy of every corpus and task where there is more than one corpus, other hospitals included."""
    cells = {
        (row["model"], row["corpus"], row["task"]): Estimate(row["value"], row["low"], row["high"])
        for row in group.rows
        if row["measure"] == "accuracy"
        and row["mode"] == "reasoning"
        and not {MEAN, CROSS_CENTRE} & {row["task"], row["corpus"]}
    }
    places = sorted({(corpus, task) for _, corpus, task in cells})
    if len({corpus for corpus, _ in places}) > 1:
        yield dots(
            f"evaluation-{group.number}-corpus",
            f"Accuracy by corpus and task{group.about}",
            [f"{corpus}, {task}" for corpus, task in places],
            [series_of(model, [cells.get((model, *place)) for place in places]) for model in models],
            measure="accuracy, after reasoning",
            description="One row per corpus and task, a mark per model, a line for its 95 % interval.",
        )


def _all(name: str) -> str:
    return "all" if name == MEAN else name
