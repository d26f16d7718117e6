"""Questions from reports: everything abnormal that they name, and the changes that they state against a prior."""

import csv
from pathlib import Path

import duckdb
import pytest

from cxr.miner.ask.reading import read_report
from tests.conftest import Cli


@pytest.mark.parametrize(
    ("report", "anomalies"),
    [
        ("FINDINGS: Mild scoliosis. The aorta is tortuous.", {"mild scoliosis", "tortuous aorta"}),
        ("FINDINGS: No pneumothorax. Small left pleural effusion.", {"small left pleural effusion"}),
        ("FINDINGS: Cardiomegaly. IMPRESSION: Mild cardiomegaly.", {"mild cardiomegaly"}),
        ("INDICATION: Pneumonia. FINDINGS: The lungs are clear.", set()),
        ("", set()),
    ],
)
def test_what_is_abnormal_is_read_once_and_with_its_details(report: str, anomalies: set[str]) -> None:
    assert set(read_report(report).anomalies) == anomalies


@pytest.mark.parametrize(
    ("report", "changes"),
    [
        ("FINDINGS: The left pleural effusion has increased.", {("Pleural Effusion", "worsening")}),
        (
            "FINDINGS: Improved pulmonary edema. Unchanged cardiomegaly.",
            {("Edema", "improving"), ("Cardiomegaly", "stable")},
        ),
        ("FINDINGS: New right pneumothorax.", {("Pneumothorax", "worsening")}),
        ("FINDINGS: No new consolidation.", set()),
        ("FINDINGS: The right effusion has increased. The left effusion has decreased.", set()),
    ],
)
def test_a_change_is_read_where_the_report_states_one(report: str, changes: set[tuple[str, str]]) -> None:
    assert set(read_report(report).changes) == changes


@pytest.fixture
def store(cxr: Cli, tmp_path: Path) -> Path:
    with (tmp_path / "own.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["study_id", "patient_id", "study_order", "findings"])
        for patient in range(6):
            writer.writerow([f"{patient}a", patient, 1, "There is a small left pleural effusion. Mild scoliosis."])
            writer.writerow([f"{patient}b", patient, 2, "The left pleural effusion has increased. Mild scoliosis."])
        writer.writerow(["lone", 99, 1, "The left pleural effusion has increased."])
        writer.writerow(["hedged", 98, 1, "Possible pneumonia."])
    done = cxr("ingest", "csv", "own.csv", "--name", "own", "--licence", "public")
    assert done.returncode == 0, done.stderr
    return tmp_path / "cxr.duckdb"


def test_anomalies_from_reports_are_asked_and_mined(cxr: Cli, store: Path) -> None:
    assert cxr("ask", "--source", "report", "--balance", "none").returncode == 0
    done = cxr("mine")
    assert done.returncode == 0, done.stderr
    with duckdb.connect(str(store), read_only=True) as connection:
        questions = connection.execute("select study_id, answer_findings, labeler from questions").fetchall()
        chains = connection.execute("select count(*) from chains").fetchall()
    assert len(questions) == len(chains) * chains[0][0] == 13
    assert all("mild scoliosis" in findings or study == "own/lone" for study, findings, _ in questions)
    assert "own/hedged" not in {study for study, _, _ in questions}
    assert {labeler for _, _, labeler in questions} == {"report"}


def test_changes_become_temporal_questions_only_against_an_ingested_prior(cxr: Cli, store: Path) -> None:
    done = cxr("ask", "--source", "report", "--tasks", "temporal", "--min-positives", "1")
    assert done.returncode == 0, done.stderr
    assert cxr("mine").returncode == 0
    with duckdb.connect(str(store), read_only=True) as connection:
        pairs = connection.execute("select study_id, prior_study_id, answer from questions order by 1").fetchall()
        chains = connection.execute("select answer, text from chains").fetchall()
    assert pairs == [(f"own/{patient}b", f"own/{patient}a", "A") for patient in range(6)]
    assert len(chains) == 6
    assert all(answer == "A" and "increased" in text for answer, text in chains)
    again = cxr("ask", "--source", "report", "--tasks", "temporal", "--min-positives", "1")
    assert "0 questions added, 6 were there already" in again.stderr


def test_reports_cannot_ask_what_is_not_there(cxr: Cli, store: Path) -> None:
    assert store.exists()
    done = cxr("ask", "--source", "report", "--tasks", "binary")
    assert done.returncode == 2
    assert "--source report cannot ask binary" in done.stderr
