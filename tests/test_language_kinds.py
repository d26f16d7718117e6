"""Labels of reports by the kind of language that they are written in: `tests/fixtures/reports_by_kind.toml`."""

import tomllib

import pytest

from cxr.miner.language.labeler import label
from tests.conftest import ROOT

_KINDS = tomllib.loads((ROOT / "tests/fixtures/reports_by_kind.toml").read_text("utf-8"))
_NOT_MENTIONED = 9


@pytest.mark.parametrize(
    ("kind", "report"), [(kind, report) for kind, reports in _KINDS.items() for report in reports], ids=str
)
def test_a_report_has_the_labels_that_it_states(kind: str, report: str) -> None:
    expected = {name: None if value == _NOT_MENTIONED else value for name, value in _KINDS[kind][report].items()}
    found = label(report)
    assert {name: found[name] for name in expected} == expected


def test_every_kind_has_ten_reports_and_more() -> None:
    assert all(len(reports) >= 10 for reports in _KINDS.values())
