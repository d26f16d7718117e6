"""The rewards by their names. A new one is a function, and `--reward module:function=weight` (CONTRIBUTING.md).

One that comes with us is a file, and a line here.
"""

import asyncio
import inspect
import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from cxr.miner.kit.doors import Door
from cxr.miner.kit.errors import CxrError, SettingsError
from cxr.trainer.reward.protocol import LogMetric, OpenedReward, RewardFunction, RewardRun
from cxr.trainer.reward.steps import Steps

REWARDS: Door[RewardFunction | OpenedReward] = Door(
    "reward",
    {
        "format": "cxr.trainer.reward.rewards:formats",
        "accuracy": "cxr.trainer.reward.rewards:Accuracy",
        "process": "cxr.trainer.reward.process:ProcessReward",
    },
)
PAPERS = dict.fromkeys(REWARDS.names, 1.0)
"""The sum of the paper's equation 9."""


class WeightedReward:
    """A reward of a run, to be handed to GRPOTrainer, whoever wrote it: named, weighted, timed and checked.

    It logs, as `rewards/<name>/...`: `applied` (the share of completions that it applied to), `seconds` (of this call)
    and `weight`.
    """

    def __init__(self, function: RewardFunction, weight: float = 1.0, asked: str | None = None) -> None:
        self.__name__ = str(getattr(function, "__name__", type(function).__name__))
        self.weight = weight
        self.asked = self.__name__ if asked is None else asked
        """How the settings name it: by its name here, or as `module:function`."""
        self.seconds = 0.0
        """Spent in it so far."""
        self._function = function

    def record(self) -> dict[str, Any]:
        """Return what run.json says of it."""
        more: Callable[[], dict[str, Any]] = getattr(self._function, "record", dict)
        return {"reward": self.asked, "weight": self.weight, **more()}

    def steps(self) -> Sequence[Steps | None]:
        """Return the wrong sentences of each completion of the last call; none where the reward does not tell."""
        told: Sequence[Steps | None] = getattr(self._function, "steps", ())
        return told

    def __call__(self, **given: Any) -> list[float | None]:
        """Return one value per completion; raises CxrError for a reward that fails or gives something else.

        A value that is no finite number would make every weight of the model NaN.
        """
        started, count = time.perf_counter(), len(given["completions"])
        values = self._values(given)
        if len(values) != count:
            raise CxrError(
                f"the reward {self.asked} gives {len(values)} values for {count} completions; expected one for each, "
                "None where it does not apply"
            )
        bad = [at for at, value in enumerate(values) if value is not None and not math.isfinite(value)]
        if bad:
            ids = given.get("sample_id") or [f"completion {at} of the batch" for at in range(count)]
            raise CxrError(
                f"the {self.__name__} reward of {len(bad)} completions is not a finite number; look at "
                f"{', '.join(dict.fromkeys(str(ids[at]) for at in bad[:5]))}"
            )
        spent = time.perf_counter() - started
        self.seconds += spent
        log_metric: LogMetric | None = given.get("log_metric")
        if log_metric is not None and values:
            log_metric(f"rewards/{self.__name__}/applied", sum(value is not None for value in values) / count)
            log_metric(f"rewards/{self.__name__}/seconds", spent)
            log_metric(f"rewards/{self.__name__}/weight", self.weight)
        return values

    def _values(self, given: Mapping[str, Any]) -> list[float | None]:
        try:
            values: Any = self._function(**given)
            if inspect.iscoroutine(values):  # TRL takes asynchronous functions as well
                values = asyncio.run(values)
            return [None if value is None else float(value) for value in values]
        except CxrError:
            raise
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = "" if frame.filename == __file__ else f" at {Path(frame.filename).name}:{frame.lineno}"
            raise CxrError(
                f"the reward {self.asked} failed with {type(error).__name__}{place}; expected a function that TRL can "
                "call: with columns as lists, **columns for those that it does not need, and a number or None for each "
                "completion"
            ) from error


@contextmanager
def open_rewards(weights: Mapping[str, float], run: RewardRun) -> Iterator[list[WeightedReward]]:
    """Open rewards by their names, or as `module:function`, each with its weight, for as long as a run lasts.

    Raises SettingsError for one that does not exist or is no function, and for two of the same name in the logs;
    and what opening their judges and models raises.
    """
    with ExitStack() as stack:
        opened = [
            WeightedReward(stack.enter_context(_opened(asked, run)), weight, asked) for asked, weight in weights.items()
        ]
        names = [reward.__name__ for reward in opened]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            both = " and ".join(reward.asked for reward in opened if reward.__name__ == twice)
            raise SettingsError(f"the rewards {both} would both be logged as {twice}; give one another name")
        yield opened


def _opened(asked: str, run: RewardRun) -> AbstractContextManager[RewardFunction]:
    found: Any = REWARDS.open(asked)
    if hasattr(found, "opened"):
        opened: AbstractContextManager[RewardFunction] = found.opened(run)
        return opened
    if not callable(found):
        raise SettingsError(f"the reward {asked} is a {type(found).__name__}; expected a function that TRL can call")
    return nullcontext(found)
