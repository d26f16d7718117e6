"""`cxr reward`: the rewards of `cxr train grpo` for completions in a file."""

from typing import TYPE_CHECKING, Annotated, cast

import typer

from cxr.miner.commands.base import DEFAULT_DB
from cxr.miner.commands.files import transform_with_judge
from cxr.miner.commands.options import FILE_JUDGING, LinesIn, LinesOut, OptionValues, grouped, without_old_name

if TYPE_CHECKING:
    from cxr.trainer.reward.protocol import ProcessKind


@grouped
def reward(
    source: LinesIn,
    output: LinesOut,
    process_reward: Annotated[
        str, typer.Option(help="grounded (report and reference), or factuality (the paper's: the report alone).")
    ] = "grounded",
    judging: OptionValues = FILE_JUDGING,
) -> None:
    """Reward completions: {"id", "completion", "report", "reference", "mode", "task", "answer", "options"}."""
    from functools import partial
    from typing import get_args

    from cxr.miner.judge.settings import JudgeSettings
    from cxr.miner.kit.errors import SettingsError
    from cxr.schemas.vocabulary import Stage
    from cxr.trainer.reward.files import reward_line
    from cxr.trainer.reward.protocol import ProcessKind

    if process_reward not in get_args(ProcessKind):
        kinds = ", ".join(get_args(ProcessKind))
        raise SettingsError(f"reward: --process-reward {process_reward!r} is unknown; choose from {kinds}")
    settings = JudgeSettings.resolve(DEFAULT_DB, **without_old_name(judging))
    answer = partial(reward_line, process_reward=cast("ProcessKind", process_reward))
    transform_with_judge(source, output, Stage.REWARD, settings, answer)
