"""The reward that verl calls for a completion: the weighted sum of the registry's (paper, equation 9).

Pure Python: no torch, and no network unless a judge needs one. Exports of `cxr export verl` name this function in their
`reward.py`; verl's `custom_reward_function.reward_kwargs` can give it `rewards` and `judge`.
"""

import atexit
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from cxr.miner.judge.settings import JudgeSettings
from cxr.trainer.reward.protocol import ProcessKind, RewardRun
from cxr.trainer.reward.registry import PAPERS, WeightedReward, open_rewards

# Rewards that every completion gets. verl wants the same keys for all: what a reward does not apply to says so.
_FOR_ALL = frozenset({"format", "accuracy"})


def compute_score(
    data_source: str,  # noqa: ARG001 - verl names it
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    *,
    rewards: Mapping[str, float] = PAPERS,
    judge: str = "rules",
    process_reward: ProcessKind = "factuality",
    **_: Any,
) -> dict[str, float]:
    """Return the sum as `score`, and each reward by its name; one that does not apply is 0.

    `rewards` are weights by the registry's names, or `module:function`; `judge` names who judges reasoning. The
    process reward stands as `factuality` or `grounded`, whichever it is; whether it applies, to reasoning samples whose
    `extra_info` holds the report, as `factuality_applies`, and so for every other reward that need not apply. verl asks
    for one completion at a time, so one that could not be judged cannot be given its group's mean: it applies to none.
    """
    columns = {name: [value] for name, value in _columns(ground_truth, extra_info or {}).items()}
    told = {"score": 0.0}
    for reward in opened_until_exit(tuple(rewards.items()), judge, process_reward):
        (value,) = reward(prompts=[None], completions=[solution_str], **columns)
        name = reward.__name__.removeprefix("process_")
        told[name] = value or 0.0
        told["score"] += reward.weight * told[name]
        if name not in _FOR_ALL:
            told[f"{name}_applies"] = float(value is not None)
    return told


@cache
def opened_until_exit(weights: tuple[tuple[str, float], ...], judge: str, process: ProcessKind) -> list[WeightedReward]:
    """Return the rewards, open until the process ends; a judge that asks a server writes into the working folder."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path.cwd()
    settings = JudgeSettings.resolve(folder / "cxr.duckdb", judge=judge)
    return stack.enter_context(open_rewards(dict(weights), RewardRun(folder, settings, process_reward=process)))


def _columns(truth: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sample's columns as an export for TRL has them."""
    options = _listed(extra.get("options"))
    if options is None and len(truth) == 1:
        # Without the options' words a letter is still a letter.
        options = [f"{letter})" for letter in "ABCDEFGH"]
    usual = {"mode": None, "task": None, "report": None, "reference": None}
    lists = {"options": options, "answer_findings": _listed(extra.get("answer_findings"))}
    return {**usual, **extra, **lists, "answer": truth}


def _listed(value: Any) -> list[str] | None:
    """Return a list column as a list, None if empty: verl may hand over an array, whose truth value is no list's."""
    return None if value is None or not len(value) else [str(item) for item in value]
