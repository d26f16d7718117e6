"""Judges: does the report support this finding, and does one list of findings hold another."""

from miner.judge.protocol import Judge
from miner.judge.reasons import Reason
from miner.judge.rules import JUDGE, JUDGE_VERSION, RulesJudge

__all__ = ["JUDGE", "JUDGE_VERSION", "Judge", "Reason", "RulesJudge"]
