"""The reward that verl calls for a completion: format + accuracy + process factuality (paper, equation 9).

Pure Python: no torch, no network. Exports of `cxr export verl` name this function in their `reward.py`.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from miner.judge import Judge, RulesJudge
from miner.judge.radrscore import share
from schemas.vocabulary import QUESTION_FINDINGS, Task

_REASONED = re.compile(r"\A\s*<think>(?P<think>.*?)</think>\s*<answer>(?P<answer>.*?)</answer>\s*\Z", re.DOTALL)
_ANSWERED = re.compile(r"\A\s*<answer>(?P<answer>.*?)</answer>\s*\Z", re.DOTALL)
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def compute_score(
    data_source: str,  # noqa: ARG001 - verl names it
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    **_: Any,
) -> dict[str, float]:
    """Give the sum as `score`, and its parts; a part that does not apply is 0 and says so in `factuality_applies`.

    Process factuality applies to reasoning samples, whose `extra_info` holds the report.
    """
    extra = extra_info or {}
    reasoning = extra.get("mode") == "reasoning"
    think, answer = parse(solution_str, reasoning=reasoning)
    in_form = 0.0 if answer is None else 1.0
    right = 0.0 if answer is None else accuracy(answer, ground_truth, extra)
    report = extra.get("report")
    applies = reasoning and bool(report)
    factual = factuality(think, str(report)) if applies and think else 0.0
    return {
        "score": in_form + right + factual,
        "format": in_form,
        "accuracy": right,
        "factuality": factual,
        "factuality_applies": float(applies),
    }


def parse(text: str, *, reasoning: bool) -> tuple[str | None, str | None]:
    """Give reasoning and answer of a completion in exactly its mode's form; (None, None) for any other form."""
    match = (_REASONED if reasoning else _ANSWERED).match(text)
    if match is None or any(text.count(tag) > 1 for tag in _TAGS):
        return None, None
    return match["think"].strip() if reasoning else None, match["answer"].strip()


def accuracy(answer: str, truth: str, extra: Mapping[str, Any]) -> float:
    """Give 1 or 0 for options and Yes/No, and the F1 of findings for open answers."""
    if extra.get("task") == Task.ANOMALY:
        return _f1(_findings(answer), set(extra.get("answer_findings") or ()) or _findings(truth))
    letter = re.match(r"\(?([A-Za-z])\)?(?:[).:,]|$)", answer)
    return float(answer.lower() == truth.lower() or (letter is not None and letter[1].upper() == truth))


def factuality(think: str, report: str) -> float:
    """Give the share of the reasoning's findings that the report supports; 0 where it states nothing."""
    judge = _judge()
    return share(item.factual for item in judge.verdicts(report, judge.extract(think))) or 0.0


@cache
def _judge() -> Judge:
    return RulesJudge()


def _findings(text: str) -> set[str]:
    return {str(finding) for finding in QUESTION_FINDINGS if finding.lower() in text.lower()}


def _f1(found: set[str], true: set[str]) -> float:
    if not found or not true:
        return float(found == true)
    return 2 * len(found & true) / (len(found) + len(true))
