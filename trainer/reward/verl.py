"""The reward that verl calls for a completion: format + accuracy + process factuality (paper, equation 9).

Pure Python: no torch, no network. Exports of `cxr export verl` name this function in their `reward.py`; the rewards
themselves are those of `cxr.trainer.reward.rewards`.
"""

from collections.abc import Mapping
from typing import Any

from cxr.trainer.reward.answers import parse_completion
from cxr.trainer.reward.rewards import REASONING, answer_accuracy, judge_reasoning


def compute_score(
    data_source: str,  # noqa: ARG001 - verl names it
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    **_: Any,
) -> dict[str, float]:
    """Return the sum as `score`, and its parts; a part that does not apply is 0 and says so in `factuality_applies`.

    Process factuality applies to reasoning samples, whose `extra_info` holds the report.
    """
    extra = extra_info or {}
    reasoning = extra.get("mode") == REASONING
    think, answer = parse_completion(solution_str, reasoning=reasoning)
    in_form = 0.0 if answer is None else 1.0
    right = 0.0 if answer is None else accuracy(answer, ground_truth, extra)
    report = extra.get("report")
    applies = reasoning and bool(report)
    factual = judge_reasoning(think, str(report)).factuality if applies and think else 0.0
    return {
        "score": in_form + right + factual,
        "format": in_form,
        "accuracy": right,
        "factuality": factual,
        "factuality_applies": float(applies),
    }


def accuracy(answer: str, truth: str, extra: Mapping[str, Any]) -> float:
    """Return the accuracy of what stands between the answer tags, by the sample's `extra_info`."""
    options = _listed(extra.get("options"))
    if not options and len(truth) == 1:
        # Without the options' words a letter is still a letter.
        options = [f"{letter})" for letter in "ABCDEFGH"]
    return answer_accuracy(
        answer,
        task=str(extra.get("task")),
        answer=truth,
        options=options,
        answer_findings=_listed(extra.get("answer_findings")),
    )


def parse(text: str, *, reasoning: bool) -> tuple[str | None, str | None]:
    """Return reasoning and answer of a completion in exactly its mode's form; (None, None) for any other form."""
    return parse_completion(text, reasoning=reasoning)


def _listed(value: Any) -> list[str]:
    """Return a list column as a list: verl may hand it over as an array, whose truth value is not that of a list."""
    return [] if value is None else [str(item) for item in value]
