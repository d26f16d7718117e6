"""All labels of short reports in the manner of many departments: `tests/fixtures/reports_by_department.toml`."""

import tomllib

import pytest

from cxr.miner.language.labeler import label
from tests.conftest import ROOT

_DEPARTMENTS = tomllib.loads((ROOT / "tests/fixtures/reports_by_department.toml").read_text("utf-8"))
_NOTHING = "No Finding"


@pytest.mark.parametrize(
    ("department", "report"), [(kind, report) for kind, reports in _DEPARTMENTS.items() for report in reports], ids=str
)
def test_a_report_has_its_labels_and_no_others(department: str, report: str) -> None:
    expected = _DEPARTMENTS[department][report]
    found = {name: value for name, value in label(report).items() if value is not None}
    if _NOTHING not in expected:
        found.pop(_NOTHING, None)
    assert found == expected
