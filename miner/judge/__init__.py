"""Judges: does the report support this finding, and does one list of findings hold another; RadRScore.

Imports language, prompts and llm; called by mine, score, trainer.reward, trainer.evaluate and the file commands.
"""

from cxr.miner.judge.protocol import Judge
from cxr.miner.judge.reasons import Reason
from cxr.miner.judge.registry import JUDGES, open_judge
from cxr.miner.judge.rules import RulesJudge

__all__ = ["JUDGES", "Judge", "Reason", "RulesJudge", "open_judge"]
