"""What tests of rewards share: an invented report, completions about it, and a place for what rewards log."""

from collections import defaultdict
from typing import Any

REPORT = "FINDINGS: There is a small left pleural effusion. No pneumothorax. IMPRESSION: Left pleural effusion."
TRUE = "The image shows a small left pleural effusion. There is no pneumothorax."


def reasoned(think: str, answer: str = "B") -> str:
    return f"<think> {think} </think><answer> {answer} </answer>"


class Logs:
    """Takes what rewards log, as TRL does."""

    def __init__(self) -> None:
        self.metrics: dict[str, list[float]] = defaultdict(list)
        self.extra: dict[str, list[Any]] = {}

    def metric(self, name: str, value: float) -> None:
        self.metrics[name].append(value)

    def column(self, name: str, values: list[Any]) -> None:
        assert name not in self.extra, "TRL appends: a column given twice would be twice as long"
        self.extra[name] = values
