"""What a reward is: a function as TRL's GRPOTrainer calls it. And what it may need of its run before the first call."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from cxr.miner.judge.settings import JudgeSettings
from cxr.schemas.vocabulary import Licence

ProcessKind = Literal["grounded", "factuality"]

Completion = str | Sequence[Mapping[str, Any]]
"""Text, or messages: TRL hands over what the prompt was."""
LogMetric = Callable[[str, float], None]
LogExtra = Callable[[str, list[Any]], None]

RewardFunction = Callable[..., Sequence[float | None]]
"""A reward as TRL's GRPOTrainer calls it: with `prompts`, `completions` and the export's columns, each a list, by their
names; gives one value per completion, None where it does not apply. Its `__name__` is its name in the logs."""


@dataclass(frozen=True)
class RewardRun:
    """The run that a reward is opened for."""

    folder: Path
    """Where the run writes."""
    judge: JudgeSettings
    """Who judges reasoning."""
    process_reward: ProcessKind = "factuality"
    """What `process` is: the paper's factuality, or grounded, which compares with the reference as well."""
    ratescore: Path | None = None
    """The folder with RaTEScore's two models, for open answers; None compares the findings that they name."""
    by_steps: bool = False
    """Whether the process reward is to say which sentences are wrong, and what the others earn without them."""
    licences: Collection[str] = (Licence.CREDENTIALED,)
    """Of the training data."""
    process_index: int = 0
    processes: int = 1


class OpenedReward(Protocol):
    """A reward that opens something for its run first, such as a judge: what stands behind its name has `opened`."""

    def opened(self, run: RewardRun) -> AbstractContextManager[RewardFunction]:
        """Return the reward function, for as long as the run lasts; what it has as `record()` goes into run.json."""
