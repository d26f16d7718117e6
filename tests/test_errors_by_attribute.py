"""In what a wrong finding is wrong: one attribute each, through the command line and in the store."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cxr.miner.judge import Reason
from cxr.miner.judge.reasons import error_of
from cxr.schemas import ErrorAttribute, Verdict
from tests.conftest import Cli
from tests.corpora import INVENTED, openi_rows, write_openi

REPORT = (
    "FINDINGS: Mild cardiomegaly. Small left pleural effusion, increased from the prior study. 5 mm nodule in the "
    "right upper lobe. Possible right lower lobe pneumonia. ETT ends 4 cm above the carina. No pneumothorax."
)
ERRORS = [
    ("severe cardiomegaly", "present", "severity"),
    ("right pleural effusion", "present", "side"),
    ("left pleural effusion, decreased from the prior study", "present", "change"),
    ("12 mm nodule in the right upper lobe", "present", "size"),
    ("nodule in the right lower lobe", "present", "location"),
    ("multiple nodules in the right upper lobe", "present", "number"),
    ("pneumonia", "absent", "certainty"),
    ("endotracheal tube in the right main bronchus", "present", "location"),
    ("pneumothorax", "present", "presence"),
    ("cardiomegaly", "absent", "presence"),
    ("heart size", "normal", "presence"),
    ("rib fracture", "present", "presence"),
    ("mild cardiomegaly", "present", None),
    ("rib fracture", "absent", None),
    ("image quality", "not provided", None),
]


def judged(cxr: Cli, folder: Path, record: dict[str, Any]) -> list[dict[str, Any]]:
    (folder / "in.jsonl").write_text(json.dumps(record) + "\n")
    done = cxr("judge", "in.jsonl", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    findings: list[dict[str, Any]] = json.loads((folder / "out.jsonl").read_text())["findings"]
    return findings


def test_judge_names_the_attribute_in_which_a_finding_is_wrong(cxr: Cli, tmp_path: Path) -> None:
    findings = [{"observation": observation, "status": status} for observation, status, _ in ERRORS]
    said = judged(cxr, tmp_path, {"id": "a", "report": REPORT, "findings": findings})
    assert [one["error"] for one in said] == [error for *_, error in ERRORS]
    assert all((one["error"] is None) is (one["factual"] is not False) for one in said)


@pytest.mark.parametrize("verdict", [Verdict.SUPPORTED, Verdict.UNMENTIONED_NORMAL, Verdict.NOT_ASSESSABLE])
def test_what_is_not_wrong_has_no_error(verdict: Verdict) -> None:
    assert all(error_of(verdict, reason) is None for reason in Reason)


def test_every_conflict_of_details_is_an_error_of_its_own() -> None:
    details = [reason for reason in Reason if reason.endswith("_conflict")]
    found = {reason: error_of(Verdict.CONTRADICTED, reason) for reason in details}
    assert ErrorAttribute.PRESENCE not in found.values()
    assert error_of(Verdict.CONTRADICTED, "words_of_another_judge") is ErrorAttribute.PRESENCE


def test_score_keeps_errors_and_counts_them(cxr: Cli, tmp_path: Path) -> None:
    write_openi(tmp_path / "openi", openi_rows([each for each in INVENTED for _ in range(8)]))
    for command in (("ingest", "openi", "openi"), ("ask",), ("mine",)):
        done = cxr(*command)
        assert done.returncode in {0, 4}, done.stderr
    with duckdb.connect(str(tmp_path / "cxr.duckdb")) as store:
        # what a careless engine would have written
        store.execute("update chains set text = text || ' There is a large right pneumothorax.'")
    done = cxr("score")
    assert done.returncode == 0, done.stderr
    assert "In what findings are wrong" in done.stdout
    assert cxr("report", "-o", "page.html").returncode == 0
    assert "In what findings are wrong" in (tmp_path / "page.html").read_text()
    with duckdb.connect(str(tmp_path / "cxr.duckdb"), read_only=True) as store:
        wrong = store.execute(
            "select count(*), count(error) from findings where origin = 'chain' and factual = false"
        ).fetchone()
        assert wrong is not None
        assert wrong[0] == wrong[1] > 0
        counted = store.execute("select sum(findings)::bigint, any_value(error) from errors_by_attribute").fetchone()
        assert counted is not None
        assert counted[0] == wrong[0]
        assert store.execute("select count(*) from findings where factual and error is not null").fetchone() == (0,)
