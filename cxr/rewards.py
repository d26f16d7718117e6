"""The rewards, for anybody's training script: plain functions over one completion, and as TRL calls them.

    from trl import GRPOTrainer
    from cxr.rewards import GroundedReward, reward_functions

    GRPOTrainer(model=..., train_dataset=..., reward_funcs=reward_functions(GroundedReward()))

`ProcessReward` is the paper's factuality in its place. Rows need the columns of `cxr export grpo` (docs/export.md).
"""

from cxr.trainer.reward.process import GroundedReward, ProcessReward
from cxr.trainer.reward.protocol import RewardRun
from cxr.trainer.reward.registry import WeightedReward, open_rewards
from cxr.trainer.reward.rewards import (
    accuracy_reward,
    finding_f1,
    format_reward,
    process_factuality,
    reward_functions,
)

__all__ = [
    "GroundedReward",
    "ProcessReward",
    "RewardRun",
    "WeightedReward",
    "accuracy_reward",
    "finding_f1",
    "format_reward",
    "open_rewards",
    "process_factuality",
    "reward_functions",
]
