"""A cruder second reading: what it takes as said, where it doubts the reader, and what rests on a doubted report."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from cxr.miner.language.analysis import analyse_report
from cxr.miner.language.coverage import Coverage, coverage
from cxr.miner.language.second_look import asserted_in, doubted
from cxr.miner.mine.understood import check_understood
from cxr.schemas.reasoning import Evidence
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import EvidenceKind, Presence, RejectReason
from tests.conftest import Cli
from tests.test_coverage import ward

ASSERTED = [
    ("Left effusion up by a finger since noon.", {"Pleural Effusion"}),
    ("Multilobar pneumonia: left base worst.", {"Pneumonia"}),
    ("Right lung: the airspace opacity has grown and now involves the apex.", {"Lung Opacity"}),
    ("The cardiac outline, smaller than on Monday, is still enlarged.", {"Cardiomegaly"}),
    ("No consolidation at this time, only a faint opacity at the left base.", {"Lung Opacity"}),
    ("No change but a new right pneumothorax.", {"Pneumothorax"}),
    (
        "There is edema of both lungs, the right more than the left and the bases most of all, and of none else.",
        {"Edema"},
    ),
]
NOT_ASSERTED = [
    "No effusion.",
    "There is no pneumothorax, consolidation or effusion.",
    "The pneumothorax has resolved.",
    "The effusion is no longer seen.",
    "Clear lungs; pneumonia was treated in May.",
    "Pneumothorax?",
    "Possible edema.",
    "Cannot exclude a small effusion.",
    "CT is recommended to look for a nodule.",
    "The heart is not enlarged.",
    "The lungs are clear and the heart is normal.",
    "The mediastinum is stable.",
    "65M with pneumonia and fever.",
    "Please call us.",
    "",
]


@pytest.mark.parametrize(("sentence", "labels"), ASSERTED)
def test_words_without_a_denial_are_taken_as_said(sentence: str, labels: set[str]) -> None:
    found = asserted_in(sentence)
    assert {said.label for said in found} >= labels
    assert all(0 <= said.start < said.end <= len(sentence) for said in found)


@pytest.mark.parametrize("sentence", NOT_ASSERTED)
def test_what_is_denied_doubted_asked_advised_or_past_is_not(sentence: str) -> None:
    assert asserted_in(sentence) == ()


@pytest.mark.parametrize(("sentence", "labels"), ASSERTED)
def test_a_reader_that_reads_nothing_is_doubted(sentence: str, labels: set[str]) -> None:
    analysis = replace(analyse_report(sentence), mentions=())
    assert set(doubted(sentence, analysis)) >= labels


def test_a_reader_that_denies_what_is_said_is_doubted() -> None:
    report = "There is a large left effusion. The heart is normal."
    analysis = analyse_report(report)
    denied = [
        mention._replace(form=mention.form.model_copy(update={"presence": Presence.ABSENT}))
        for mention in analysis.mentions
    ]
    assert doubted(report, analysis) == ()
    assert doubted(report, replace(analysis, mentions=tuple(denied[:1]))) == ("Pleural Effusion",)


@pytest.mark.parametrize(
    "report",
    [
        "FINDINGS: Small left effusion. No pneumothorax. The heart is enlarged.\nIMPRESSION: Effusion.",
        "Surgical clips in the right upper abdomen. Biapical pleural scarring, stable. No effusion.",
        "Heart size moderately enlarged, stable mediastinal contours. Large hiatal hernia behind the heart.",
        "Small right pneumothorax.\n\nADDENDUM: The line was a skin fold. There is no pneumothorax.",
        "History: pneumonia. Comparison: none. Findings: The lungs are clear. No effusion.",
        "FINDINGS: The lungs are clear. CT would be helpful to look for metastases.",
        "",
    ],
)
def test_a_report_that_was_read_is_not_doubted(report: str) -> None:
    assert coverage(report).doubted == ()


def test_a_doubted_report_is_not_understood_for_a_reason_of_its_own() -> None:
    assert Coverage(1.0, ()).reason is None
    assert Coverage(1.0, (), ("Edema",)).reason is RejectReason.READING_DOUBTED
    assert Coverage(0.5, (), ("Edema",)).reason is RejectReason.REPORT_NOT_UNDERSTOOD
    assert not Coverage(1.0, (), ("Edema",)).understood


def test_no_evidence_of_any_engine_rests_on_the_silence_of_a_doubted_report(monkeypatch: pytest.MonkeyPatch) -> None:
    report = Report(study_id="ward/1", text="Small left effusion.", sections=(), licence="public")
    silent = Evidence(
        evidence_no=1,
        finding="Edema",
        statement="No sign of edema.",
        presence=Presence.ABSENT,
        kind=EvidenceKind.INFERRED_NORMAL,
        quotes=(),
    )
    assert check_understood([silent], report) is None
    monkeypatch.setattr("cxr.miner.mine.understood.coverage", lambda text: Coverage(1.0, (), ("Edema",)))
    rejection = check_understood([silent], report)
    assert rejection is not None
    assert rejection.reason is RejectReason.READING_DOUBTED
    assert "Edema" in rejection.message
    assert "effusion" not in rejection.message
    assert check_understood([], report) is None


def test_studies_are_counted_by_why_their_silence_says_nothing(cxr: Cli, tmp_path: Path, db: Path) -> None:
    ward(tmp_path)
    mapped = ("--map", "study_id=study", "--map", "report=report", "--name", "ward")
    assert cxr("ingest", "csv", "ward.csv", *mapped).returncode == 0
    with duckdb.connect(str(db)) as connection:
        assert connection.execute("select distinct doubted from coverage").fetchall() == [([],)]
        connection.execute("update coverage set understood = false, doubted = ['Edema'] where study_id = 'ward/plain'")
    asked = cxr("ask", "--balance", "none")
    assert "1 studies were asked nothing that rests on silence (reading_doubted)" in asked.stderr
    assert "1 studies were asked nothing that rests on silence (report_not_understood)" in asked.stderr
    with duckdb.connect(str(db), read_only=True) as connection:
        found = connection.execute(
            "select reject_key, reason from rejects where stage = 'ask' order by reject_key"
        ).fetchall()
    assert found == [("ward/plain", "reading_doubted"), ("ward/strange", "report_not_understood")]
    assert "reading_doubted" in cxr("status").stdout


@pytest.mark.parametrize("unit", ["effusion up ", "no change but effusion, ", "enlarged, ", "heart. enlarged. "])
def test_the_second_look_takes_time_in_proportion_to_the_text(unit: str) -> None:
    text = unit * 20_000
    analysis = replace(analyse_report(text), mentions=())
    assert len(doubted(text, analysis)) <= 2  # would not end if it were quadratic
