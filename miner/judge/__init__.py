"""Judges: does the report support this finding, and does one list of findings hold another."""

from cxr.miner.judge.protocol import Judge
from cxr.miner.judge.reasons import Reason
from cxr.miner.judge.rules import JUDGE, JUDGE_VERSION, RulesJudge
from cxr.miner.kit.errors import SettingsError


def make_judge(name: str) -> Judge:
    """Give a judge that needs nothing but its name; raises SettingsError for any other.

    The llm judge needs a server, a cache and a licence too: `cxr.miner.judge.opening.open_judge` opens either.
    """
    if name != JUDGE:
        raise SettingsError(
            f"unknown judge {name!r}; choose from {JUDGE} (llm is opened by cxr.miner.judge.opening.open_judge)"
        )
    return RulesJudge()


__all__ = ["JUDGE", "JUDGE_VERSION", "Judge", "Reason", "RulesJudge", "make_judge"]
