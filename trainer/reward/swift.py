"""The rewards as ms-swift's GRPO calls them: a class for each, which it makes one of and calls with a batch.

Exports of `cxr export swift` register these classes in their `reward.py`. Weights are ms-swift's `--reward_weights`.
What a reward does not apply to is None, which ms-swift leaves out of the sum.
"""

from collections.abc import Sequence
from typing import Any

from cxr.trainer.reward.protocol import ProcessKind
from cxr.trainer.reward.registry import PAPERS
from cxr.trainer.reward.verl import opened_until_exit


def reward_classes(
    base: type,
    *,
    rewards: Sequence[str] = tuple(PAPERS),
    judge: str = "rules",
    process_reward: ProcessKind = "factuality",
) -> dict[str, type]:
    """Return a class for each reward, derived from ms-swift's `ORM`, by the name `cxr_<reward>`.

    `rewards` are the registry's names, or `module:function`; `judge` names who judges reasoning. They are opened at the
    first call, in the process that calls.
    """
    weights = tuple((name, 1.0) for name in rewards)

    def made(at: int) -> Any:
        def call(_: Any, completions: Sequence[str], **columns: Any) -> list[float | None]:
            prompts = [turns[:-1] for turns in columns.get("messages") or ()]
            reward = opened_until_exit(weights, judge, process_reward)[at]
            return reward(**{**columns, "prompts": prompts, "completions": completions})

        return call

    names = [f"cxr_{name.rpartition(':')[2]}" for name in rewards]
    return {name: type(name, (base,), {"__call__": made(at)}) for at, name in enumerate(names)}
