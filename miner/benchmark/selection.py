"""Which questions become samples: what is left out and why, then a balanced draw up to the targets, all in SQL.

Every draw is an order by the MD5 of (seed, question), so the same store and settings choose the same questions, and
a larger target only adds to a smaller one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from cxr.miner.benchmark.leakage import find_shared_reports, find_told_questions, find_torn_patients
from cxr.miner.benchmark.settings import SPLITS, BenchSettings, Mode, Target
from cxr.miner.kit.errors import SettingsError
from cxr.miner.kit.sql import read_sql
from cxr.miner.pack import pack
from cxr.miner.score.settings import MIN_REVIEW
from cxr.miner.store import Store
from cxr.schemas.vocabulary import RejectReason, Task

_SQL = read_sql("cxr.miner.benchmark")

# Why a question is in no benchmark, in the order in which reasons are given; a question counts under its first.
REASONS = {
    "no_split": "the study is in no split",
    "split_changed": "the study's split is another one since it was asked about",
    "split_not_wanted": "no target names the study's split",
    "patient_in_two_splits": "the patient has studies in more than one split",
    "study_in_two_splits": "the study is in more than one split",
    "report_shared_with_another_split": "another split has a study with the same or nearly the same report",
    "no_image": "the study, or its prior, has no image",
    "report_in_question": "the question holds words of the report",
    "answer_in_question": "the question tells its answer",
    "report_contradicts_label": "mining found that the report contradicts the label",
}


@dataclass(frozen=True)
class Reached:
    """How far one task of one split and mode came towards its target; `target` is None where only a total was set."""

    split: str
    mode: str
    task: str
    target: int | None
    available: int
    reached: int


@dataclass(frozen=True)
class Shortfall:
    """A finding that could not give its even share of a task's questions."""

    split: str
    mode: str
    task: str
    finding: str
    share: int
    reached: int


@dataclass(frozen=True)
class Selection:
    """What was chosen; the ids are in the temporary table `bench_chosen`."""

    reached: tuple[Reached, ...]
    shortfalls: tuple[Shortfall, ...]
    excluded: tuple[tuple[str, str, int, int], ...]
    """Reason, split, questions and studies."""

    @classmethod
    def from_records(
        cls,
        tasks: Iterable[Mapping[str, Any]],
        shortfalls: Iterable[Mapping[str, Any]],
        excluded: Iterable[Mapping[str, Any]],
    ) -> "Selection":
        """Build the selection again from a manifest's records."""
        return cls(
            tuple(Reached(**record) for record in tasks),
            tuple(Shortfall(**record) for record in shortfalls),
            tuple((row["reason"], row["split"], row["questions"], row["studies"]) for row in excluded),
        )


def select(store: Store, settings: BenchSettings) -> Selection:
    """Choose samples into the temporary table `bench_chosen` (question_id, split, task, mode).

    Raises SettingsError where the store has no questions, or none of a corpus that was named.
    """
    _check(store, settings)
    wanted = [split for split in SPLITS if split in settings.targets]
    make_candidates(store, settings, wanted)
    run = store.connection.execute
    run(_SQL["bench_strata"], {"nothing": pack().nothing or ""})
    run(
        "create or replace temporary table bench_chosen "
        "(question_id varchar, split varchar, task varchar, mode varchar)"
    )
    reached: list[Reached] = []
    # Reasoning samples first: they are a subset of the answer-only ones (paper, section 2).
    for mode in (Mode.REASONING, Mode.ANSWER_ONLY):
        targets = {split: modes[mode] for split, modes in settings.targets.items() if mode in modes}
        reached += _draw(store, mode, {split: targets[split] for split in wanted if split in targets})
    return Selection(tuple(reached), tuple(_shortfalls(store, reached)), excluded(store))


def make_candidates(store: Store, settings: BenchSettings, wanted: Sequence[str]) -> None:
    """Make `bench_candidates`: every question, its best usable chain, and the reason why it may not be used, if any."""
    weakest_first = [split for split in ("train", "validate", "test") if split in wanted]
    if settings.duplicates == "train":
        weakest_first.reverse()
    find_shared_reports(store, settings.near, weakest_first if settings.duplicates != "both" else ())
    find_torn_patients(store)
    find_told_questions(store)
    images_and_chains(store, settings)
    store.connection.execute(
        _SQL["bench_candidates"],
        {
            "seed": str(settings.seed),
            "splits": list(wanted),
            "needs_image": settings.images == "required",
            "drops_contradicted": settings.contradicted == "drop",
            "contradicted": str(RejectReason.EVIDENCE_CONTRADICTS_ANSWER),
            "corpora": None if settings.corpora is None else list(settings.corpora),
        },
    )


def images_and_chains(store: Store, settings: BenchSettings) -> None:
    """Make `bench_images` (a study's usable images, best first) and `bench_chains` (a question's best usable chain)."""
    names = [view.name for view in pack().views.view]
    store.connection.execute(
        _SQL["bench_images"],
        {
            "order": list(pack().views.order),
            "views": names,
            "last": names[-1],
            "needs_image": settings.images == "required",
        },
    )
    of_one_engine = "current_chains" if settings.engine is None else "newest_chains"
    store.connection.execute(
        _SQL["bench_chains"],
        {
            "chains": "chains" if settings.all_settings else of_one_engine,
            "least": settings.min_factuality,
            "least_review": MIN_REVIEW,
            "engine": settings.engine,
        },
    )


def excluded(store: Store) -> tuple[tuple[str, str, int, int], ...]:
    """Count the questions that may not be used: reason, split, questions, studies."""
    return tuple(
        (reason, split, questions, studies)
        for reason, split, questions, studies in store.rows(
            "select reason, coalesce(split, ''), count(*), count(distinct study_id) from bench_candidates "
            "where reason is not null group by all order by all"
        )
    )


def findings(store: Store) -> list[dict[str, Any]]:
    """Count the chosen questions: split, mode, task, finding, answer, samples."""
    return store.frame(_SQL["findings_chosen"]).to_dicts()


def quotas(target: Target, available: Mapping[Task, int]) -> dict[Task, int]:
    """Return how many samples of each task to take; never more than there are.

    A table is taken task by task. A total is spread evenly, and what one task cannot give goes to the others.
    """
    if not isinstance(target, int):
        return {task: min(wanted, available.get(task, 0)) for task, wanted in target.items()}
    given = dict.fromkeys(available, 0)
    left, open_tasks = target, [task for task, count in available.items() if count]
    while left > 0 and open_tasks:
        share = max(left // len(open_tasks), 1)
        for task in open_tasks:
            more = min(share, available[task] - given[task], left)
            given[task] += more
            left -= more
        open_tasks = [task for task in open_tasks if given[task] < available[task]]
    return given


def _check(store: Store, settings: BenchSettings) -> None:
    known = [name for (name,) in store.rows("select distinct corpus from questions order by corpus")]
    if not known:
        raise SettingsError("bench compile: the store has no questions; `cxr ask` makes them from labels")
    unknown = sorted(set(settings.corpora or ()) - set(known))
    if unknown:
        raise SettingsError(f"bench compile: no questions about {', '.join(unknown)}; there are {', '.join(known)}")


def _draw(store: Store, mode: Mode, targets: Mapping[str, Target]) -> list[Reached]:
    available: dict[str, dict[Task, int]] = {split: dict.fromkeys(Task, 0) for split in targets}
    for split, task, questions, with_chain in store.rows(
        "select split, task, count(*), count(*) filter (where has_chain) from bench_strata group by all"
    ):
        if split in available:
            available[split][Task(task)] = with_chain if mode is Mode.REASONING else questions
    quota = {split: quotas(target, available[split]) for split, target in targets.items()}
    rows = [(split, str(task), count) for split, tasks in quota.items() for task, count in tasks.items()]
    schema = {"split": pl.String, "task": pl.String, "quota": pl.Int64}
    store.replace_temporary("bench_quota", pl.DataFrame(rows, schema=schema, orient="row"))
    store.connection.execute(_SQL["draw"], {"mode": str(mode)})
    made = []
    for split, target in targets.items():
        for task, count in quota[split].items():
            wanted = None if isinstance(target, int) else target[task]
            made.append(Reached(split, str(mode), str(task), wanted, available[split][task], count))
    return made


def _shortfalls(store: Store, reached: list[Reached]) -> list[Shortfall]:
    """Name the findings that gave all they have and still less than an even share of their task's target."""
    counts: dict[tuple[str, str, str, str], int] = {}
    for row in findings(store):
        key = (row["split"], row["mode"], row["task"], row["finding"])
        counts[key] = counts.get(key, 0) + row["samples"]
    temporal = [
        finding
        for (finding,) in store.rows("select distinct findings[1] from questions where task = 'temporal' order by 1")
    ]
    made = []
    for goal in reached:
        # Pairs are labeled for fewer findings than single studies are (MS-CXR-T: five).
        asked = temporal if goal.task == Task.TEMPORAL else pack().question_labels
        share = (goal.reached if goal.target is None else goal.target) // max(len(asked), 1)
        for finding in asked:
            count = counts.get((goal.split, goal.mode, goal.task, finding), 0)
            if count < share:
                made.append(Shortfall(goal.split, goal.mode, goal.task, finding, share, count))
    return made
