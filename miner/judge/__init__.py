"""Judges: does the report support this finding, and does one list of findings hold another."""

from miner.errors import SettingsError
from miner.judge.protocol import Judge
from miner.judge.reasons import Reason
from miner.judge.rules import JUDGE, JUDGE_VERSION, RulesJudge


def make_judge(name: str) -> Judge:
    """Give the judge of that name; raises SettingsError for a name that is none."""
    if name != JUDGE:
        raise SettingsError(f"unknown judge {name!r}; choose from {JUDGE}")
    return RulesJudge()


__all__ = ["JUDGE", "JUDGE_VERSION", "Judge", "Reason", "RulesJudge", "make_judge"]
