"""A run that games its reward is named: factuality rises while there is less to be factual about."""

from pathlib import Path

import pytest

from cxr.trainer.train.gaming import WINDOW, gaming
from cxr.trainer.train.logs import TrainingLog
from cxr.trainer.train.samples import LastBatch


def lines(*, factuality: float, completeness: float, findings: float) -> list[dict[str, float]]:
    """Return a log that goes from 0.8, 0.8 and 5 to these."""
    ends = {"factuality": (0.8, factuality), "completeness": (0.8, completeness), "findings": (5.0, findings)}
    count = 3 * WINDOW
    return [
        {
            f"completions/reasoning/{name}": first + (last - first) * step / (count - 1)
            for name, (first, last) in ends.items()
        }
        for step in range(count)
    ]


def test_rising_factuality_with_falling_completeness_or_findings_is_named() -> None:
    said = gaming(lines(factuality=1.0, completeness=0.2, findings=1.0))
    assert said is not None
    assert "completeness fell from" in said
    assert "findings fell from" in said
    fewer = gaming(lines(factuality=1.0, completeness=0.9, findings=1.0))
    assert fewer is not None
    assert "completeness" not in fewer


@pytest.mark.parametrize(
    ("factuality", "completeness", "findings"), [(1.0, 0.9, 5.0), (0.8, 0.2, 1.0), (1.0, 0.79, 4.8), (0.5, 0.2, 1.0)]
)
def test_a_run_that_learns_or_fails_is_not(factuality: float, completeness: float, findings: float) -> None:
    assert gaming(lines(factuality=factuality, completeness=completeness, findings=findings)) is None


def test_a_log_without_reasoning_says_nothing() -> None:
    assert gaming([{"loss": 1.0}] * 50) is None
    assert gaming([]) is None


def test_it_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = TrainingLog(tmp_path, LastBatch())
    log._lines = list(lines(factuality=1.0, completeness=0.2, findings=1.0))
    log._warn()
    log._warn()
    assert capsys.readouterr().err.count("factuality rose") == 1
