"""The reward that verl calls: the weighted sum of the registry's (paper, equation 9), for a completion or for a batch.

Pure Python: no torch, and no network unless a judge needs one. Exports of `cxr export verl` have both functions in
their `reward.py`; verl's `custom_reward_function.reward_kwargs` can give them `rewards` and `judge`. Its reward manager
`batch` calls `compute_scores` with all completions of a step, the others `compute_score` with one at a time.
"""

import atexit
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from cxr.miner.judge.settings import JudgeSettings
from cxr.trainer.reward.protocol import ProcessKind, RewardRun
from cxr.trainer.reward.registry import PAPERS, WeightedReward, open_rewards
from cxr.trainer.reward.rewards import REASONING, options_of

# Rewards that every completion gets. verl wants the same keys for all: what a reward does not apply to says so.
_FOR_ALL = frozenset({"format", "accuracy"})
_USUAL: dict[str, Any] = {"mode": None, "task": None, "report": None, "reference": None}
"""Columns that rewards are given whether or not a row has them."""


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    **settings: Any,
) -> dict[str, float]:
    """Return the sum as `score`, and each reward by its name; one that does not apply is 0.

    `settings` are those of `compute_scores`. A completion that could not be judged gets the mean of what this process
    has judged before, since its group is not there to ask.
    """
    return compute_scores([data_source], [solution_str], [ground_truth], [extra_info], **settings)[0]


def compute_scores(
    data_sources: Sequence[str],  # noqa: ARG001 - verl names it
    solution_strs: Sequence[str],
    ground_truths: Sequence[str],
    extra_infos: Sequence[Mapping[str, Any] | None],
    *,
    rewards: Mapping[str, float] = PAPERS,
    judge: str = "rules",
    process_reward: ProcessKind = "factuality",
    **_: Any,
) -> list[dict[str, float]]:
    """Return for each completion of a batch the sum as `score`, and each reward by its name; 0 where it does not apply.

    `rewards` are weights by the registry's names, or `module:function`; `judge` names who judges reasoning. The process
    reward stands as `factuality` or `grounded`, whichever it is; whether it applies, to reasoning samples whose
    `extra_info` holds the report, as `factuality_applies`, and so for every other reward that need not apply. A
    reasoning that could not be judged is no lie: it gets the mean of its group (the completions of one sample), or,
    where none of that was judged, of all that this process has judged, and 1 as `factuality_filled`.
    """
    columns = [_columns(*one) for one in zip(ground_truths, extra_infos, strict=True)]
    told: list[dict[str, float]] = [{"score": 0.0} for _ in columns]
    for reward in opened_until_exit(tuple(rewards.items()), judge, process_reward):
        values = _values(reward, solution_strs, columns)
        name = reward.__name__.removeprefix("process_")
        filled = _filled(values, columns, _judged(reward)) if name != reward.__name__ else {}
        for at, value in enumerate(values):
            told[at][name] = filled.get(at, value or 0.0)
            told[at]["score"] += reward.weight * told[at][name]
            if name not in _FOR_ALL:
                told[at][f"{name}_applies"] = float(value is not None)
            if name != reward.__name__:
                told[at][f"{name}_filled"] = float(at in filled)
    return told


def _values(
    reward: WeightedReward, completions: Sequence[str], columns: Sequence[Mapping[str, Any]]
) -> list[float | None]:
    """Return what a reward gives for a batch; rows may differ in which columns they have."""
    names = dict.fromkeys(name for row in columns for name, value in row.items() if value is not None)
    together = {name: [row.get(name) for row in columns] for name in {**_USUAL, **names}}
    return reward(prompts=[None] * len(columns), completions=list(completions), **together)


def _filled(
    values: Sequence[float | None], columns: Sequence[Mapping[str, Any]], judged: list[float]
) -> dict[int, float]:
    """Return what stands in for each reasoning that was not judged: its group's mean, else that of all before it."""
    groups: dict[object, list[float]] = defaultdict(list)
    for row, value in zip(columns, values, strict=True):
        if value is not None:
            groups[_sample(row)].append(value)
            judged[:] = [judged[0] + value, judged[1] + 1]
    found = {}
    for at, (row, value) in enumerate(zip(columns, values, strict=True)):
        if value is None and row["mode"] == REASONING and row["report"]:
            group = groups.get(_sample(row))
            found[at] = fmean(group) if group else judged[0] / (judged[1] or 1.0)
    return found


def _sample(row: Mapping[str, Any]) -> object:
    """Return what the completions of one sample share."""
    return row.get("sample_id"), row.get("index"), row["report"], row["answer"]


@cache
def _judged(reward: WeightedReward) -> list[float]:  # noqa: ARG001 - one for each reward of the process
    """Return the sum and the number of values that a reward has given in this process."""
    return [0.0, 0.0]


@cache
def opened_until_exit(weights: tuple[tuple[str, float], ...], judge: str, process: ProcessKind) -> list[WeightedReward]:
    """Return the rewards, open until the process ends; a judge that asks a server writes into the working folder."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path.cwd()
    settings = JudgeSettings.resolve(folder / "cxr.duckdb", judge=judge)
    return stack.enter_context(open_rewards(dict(weights), RewardRun(folder, settings, process_reward=process)))


def _columns(truth: str, extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a sample's columns as an export for TRL has them."""
    extra = extra or {}
    return {
        **_USUAL,
        **extra,
        "options": options_of(_listed(extra.get("options")), truth),
        "answer_findings": _listed(extra.get("answer_findings")),
        "answer": truth,
    }


def _listed(value: Any) -> list[str] | None:
    """Return a list column as a list, None if empty: verl may hand over an array, whose truth value is no list's."""
    return None if value is None or not len(value) else [str(item) for item in value]
