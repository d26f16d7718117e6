"""Evaluations: bars with intervals (the paper's Figures 3 and 4), a radar (1(d)), and how far judges agree.

The numbers are those that `cxr evaluate` wrote into `evaluations`; nothing is estimated anew here.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from cxr.miner.charts.data import Series
from cxr.miner.charts.figures import MOST_SERIES, bars, dots, radar
from cxr.miner.kit.sql import read_sql
from cxr.miner.report.parts import PageChart, PageNote, PagePart, PageSection, PageTable, series_of
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
        parts += _group_parts(number, about, rows)
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


def _group_parts(number: int, about: str, rows: Sequence[dict[str, Any]]) -> list[PagePart]:
    values = by_task(rows)
    tasks = [str(task) for task in Task if any(key[2] == task for key in values)]
    reasoning, left_out = _best([m for (m, mode, _, _) in values if mode == "reasoning"], values, "reasoning")
    parts: list[PagePart] = []
    for measure in REASONING_MEASURES:  # Figure 3, in the paper's order
        name = "RadRScore" if measure == RADRSCORE else measure
        title = name[0].upper() + name[1:]
        series = [_series(values, model, "reasoning", [*tasks, MEAN], [measure], model) for model in reasoning]
        if any(value is not None for one in series for value in one.values):
            parts.append(
                PageChart(
                    bars(
                        f"evaluation-{number}-{measure}",
                        f"{title} by task{about}",
                        [*tasks, "mean of tasks"],
                        series,
                        measure=name,
                        description=f"{title} of each model's reasoning per task, and the mean over tasks.",
                        limits=(0, 1),
                    )
                )
            )
    parts += _outcomes(number, about, values, tasks)
    parts += _radar(number, about, values, tasks, reasoning)
    parts += _by_corpus(number, about, rows, reasoning)
    if left_out:
        parts.append(
            PageNote(f"Charts show the {MOST_SERIES} models with the best mean; without: {', '.join(left_out)}.")
        )
    covered = {
        (row["model"], row["mode"], row["task"], row["corpus"], row["n"]): row
        for row in rows
        if row["task"] == MEAN or not any(other["task"] == MEAN for other in rows)
    }
    coverage = [
        (row["model"], _plain(row["mode"]), _all(row["task"]), _all(row["corpus"]), row["n"], row["n_expected"],
         row["n_missing"], row["n_unparsed"])
        for row in covered.values()
    ]  # fmt: skip
    columns = ("model", "asked for", "task", "corpus", "outputs", "expected", "missing", "answers not readable")
    parts.append(PageTable(f"Coverage{about}", columns, tuple(coverage)))
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


def _best(models: Iterable[str], values: dict[MeasureKey, Estimate], mode: str) -> tuple[list[str], list[str]]:
    """Return the models that a chart has room for, best mean first, and the others."""

    def mean(model: str) -> float:
        for measure in ("radrscore", "outcome", "accuracy"):
            found = values.get((model, mode, MEAN, measure))
            if found is not None and found.value is not None:
                return found.value
        return -1.0

    ordered = sorted(dict.fromkeys(models), key=lambda model: (-mean(model), model))
    return ordered[:MOST_SERIES], ordered[MOST_SERIES:]


def _series(
    values: dict[MeasureKey, Estimate], model: str, mode: str, tasks: Sequence[str], measures: Sequence[str], name: str
) -> Series:
    """Take, for each task, the first of the measures that there is."""
    found = [
        next((values[key] for measure in measures if (key := (model, mode, task, measure)) in values), None)
        for task in tasks
    ]
    return series_of(name, found)


# What is known about an answer, the best first: `outcome` is there for the mean over tasks only.
_ANSWER = ("outcome", "accuracy", "ratescore", "finding_f1")


def _outcomes(number: int, about: str, values: dict[MeasureKey, Estimate], tasks: Sequence[str]) -> list[PagePart]:
    parts: list[PagePart] = []
    for mode, asked in (("reasoning", "after reasoning"), ("answer_only", "without reasoning")):
        models, _ = _best([m for (m, other, _, _) in values if other == mode], values, mode)
        if not models:
            continue
        here = [task for task in tasks if any(key[1] == mode and key[2] == task for key in values)]
        names = [_with_measure(task, values, mode) for task in here]
        parts.append(
            PageChart(
                bars(
                    f"evaluation-{number}-outcome-{mode.replace('_', '-')}",
                    f"Right answers by task, {asked}{about}",
                    [*names, "mean of tasks"],
                    [_series(values, model, mode, [*here, MEAN], _ANSWER, model) for model in models],
                    measure="accuracy",
                    description="Accuracy per task; open answers (anomaly) by RaTEScore, or else by finding F1.",
                    limits=(0, 1),
                )
            )
        )
    return parts


def _with_measure(task: str, values: dict[MeasureKey, Estimate], mode: str) -> str:
    measures = {key[3] for key in values if key[1] == mode and key[2] == task}
    if "accuracy" in measures:
        return task
    return f"{task} (RaTEScore)" if "ratescore" in measures else f"{task} (finding F1)"


def _radar(
    number: int, about: str, values: dict[MeasureKey, Estimate], tasks: Sequence[str], models: Sequence[str]
) -> list[PagePart]:
    spokes: list[tuple[str, str, tuple[str, ...]]] = [(f"{task} RadRScore", task, ("radrscore",)) for task in tasks]
    spokes += [(f"{task} answer", task, _ANSWER) for task in tasks]
    if len(tasks) < 2 or not models:
        return []
    series = []
    for model in models:
        found = [_series(values, model, "reasoning", [task], measures, model) for _, task, measures in spokes]
        series.append(Series(model, [one.values[0] for one in found]))
    return [
        PageChart(
            radar(
                f"evaluation-{number}-radar",
                f"Reasoning and answers at a glance{about}",
                [name for name, _, _ in spokes],
                series,
                measure="score",
                description="A polygon per model: RadRScore of its reasoning and the score of its answers, by task.",
            )
        )
    ]


def _by_corpus(number: int, about: str, rows: Sequence[dict[str, Any]], models: Sequence[str]) -> list[PagePart]:
    """Draw accuracy of every corpus and task where there is more than one corpus, other hospitals included."""
    cells = {
        (row["model"], row["corpus"], row["task"]): Estimate(row["value"], row["low"], row["high"])
        for row in rows
        if row["measure"] == "accuracy"
        and row["mode"] == "reasoning"
        and not {MEAN, CROSS_CENTRE} & {row["task"], row["corpus"]}
    }
    places = sorted({(corpus, task) for _, corpus, task in cells})
    if len({corpus for corpus, _ in places}) < 2:
        return []
    series = []
    for model in models:
        found = [cells.get((model, corpus, task)) for corpus, task in places]
        series.append(series_of(model, found))
    return [
        PageChart(
            dots(
                f"evaluation-{number}-corpus",
                f"Accuracy by corpus and task{about}",
                [f"{corpus}, {task}" for corpus, task in places],
                series,
                measure="accuracy, after reasoning",
                description="One row per corpus and task, a mark per model, a line for its 95 % interval.",
            )
        )
    ]


def _plain(mode: str) -> str:
    return "reasoning and answer" if mode == "reasoning" else "answer only"


def _all(name: str) -> str:
    return "all" if name == MEAN else name
