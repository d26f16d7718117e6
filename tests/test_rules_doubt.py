"""A chain of the rules engine is no surer than its report, and joins only what belongs together there."""

import pytest

from cxr.miner.kit.errors import MiningReject
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.mine.job import Mined, mine_question
from cxr.miner.pack import pack
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import EvidenceKind
from tests.binary_questions import binary


def _mined(report: str, finding: str, answer: str = "Yes", number: int = 0) -> Mined:
    question = binary(finding, answer, str(number))
    return mine_question(RulesEngine(), question, Report(study_id="test/1", text=f"FINDINGS: {report}"))


@pytest.mark.parametrize(
    ("report", "finding", "said"),
    [
        ("Probable interstitial edema.", "Edema", "probable pulmonary edema"),
        ("Likely small left effusion.", "Pleural Effusion", "a probable small left pleural effusion"),
        ("Pneumonia in the left base is likely.", "Pneumonia", "probable pneumonia in the left lung base"),
        ("Right base opacity likely represents pneumonia.", "Pneumonia", "probable pneumonia"),
    ],
)
def test_what_is_probable_is_told_as_probable(report: str, finding: str, said: str) -> None:
    assert said in _mined(report, finding).evidence[0].statement


@pytest.mark.parametrize(
    ("report", "finding"),
    [
        ("Probable pneumonia at the right base. IMPRESSION: Right lower lobe pneumonia.", "Pneumonia"),
        ("Cardiomegaly, likely chronic.", "Cardiomegaly"),
        ("Effusion. Opacity likely from atelectasis.", "Pleural Effusion"),
    ],
)
def test_what_is_said_without_doubt_as_well_is_not(report: str, finding: str) -> None:
    assert "probable" not in _mined(report, finding).evidence[0].statement


@pytest.mark.parametrize(
    ("report", "finding"),
    [
        ("Left basilar opacity represents atelectasis/scarring.", "Atelectasis"),
        ("Effusion/pleural thickening on the left.", "Pleural Effusion"),
        ("Pleural effusion or thickening on the left.", "Pleural Effusion"),
        ("The mediastinum is prominent. May be due to mediastinal fat.", "Enlarged Cardiomediastinum"),
        ("The mediastinum is prominent, perhaps from rotation.", "Enlarged Cardiomediastinum"),
        ("Opacity in the left base, probably summation.", "Lung Opacity"),
    ],
)
def test_either_or_and_what_may_be_harmless_are_no_evidence(report: str, finding: str) -> None:
    with pytest.raises(MiningReject, match="only suspects it"):
        _mined(report, finding)


@pytest.mark.parametrize(
    ("report", "finding"),
    [
        ("Small left effusion/hemothorax.", "Pleural Effusion"),
        ("The mediastinum is prominent. The lungs are clear.", "Enlarged Cardiomediastinum"),
        ("Opacity in the left base. Effusion, perhaps overlapping soft tissue.", "Lung Opacity"),
    ],
)
def test_two_names_of_one_label_and_the_doubt_of_something_else_are(report: str, finding: str) -> None:
    assert _mined(report, finding).evidence[0].quotes


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ("A 2 cm nodule in the left upper lobe. Stable left upper lobe mass.", "a 2 cm lung mass in the left upper"),
        ("A 3 cm nodule within the right hilum. Unchanged right hilar mass.", "a 3 cm right hilar mass,"),
        ("A nodule and a mass in the left upper lobe.", "a lung nodule in the left upper lobe and a lung mass"),
        ("Left upper lobe nodule. Large right lower lobe mass.", "left upper lobe and a large lung mass"),
        ("Two nodules in the right upper lobe. Right upper lobe mass.", "multiple lung nodules"),
    ],
)  # fmt: skip
def test_one_thing_with_two_names_is_told_once(report: str, said: str) -> None:
    assert said in _mined(report, "Lung Lesion").evidence[0].statement


@pytest.mark.parametrize(
    ("report", "finding", "fits"),
    [
        ("Small left effusion with left basilar atelectasis.", "Pleural Effusion", True),
        ("Left pneumothorax with collapse of the left lower lobe. Small left effusion.", "Pleural Effusion", False),
    ],
)
def test_what_another_finding_explains_supports_none(report: str, finding: str, *, fits: bool) -> None:
    statement = _mined(report, finding).evidence[0].statement
    assert ("atelectasis" in statement or "collapse" in statement) is fits


def test_a_shift_has_no_side_before_it_is_seen_and_a_device_no_day() -> None:
    assert not [sign for signs in pack().signs.values() for sign in signs.signs if "toward" in sign]
    rules = [rule for rule in pack().wording.weighing if rule.finding == "Support Devices"]
    assert rules
    assert all(rule.of for rule in rules)
    assert not [said for rule in rules for said in rule.say if "placement" in said]


@pytest.mark.parametrize(
    ("report", "finding", "said"),
    [
        ("No vascular congestion. Small left effusion.", "Edema", "vascular congestion"),
        ("No acute bony abnormality.", "Fracture", "acute bony abnormality"),
        ("Sequelae of old granulomatous disease. Clear lungs.", "Edema", "clear lungs"),
    ],
)
def test_a_no_names_what_it_rests_on(report: str, finding: str, said: str) -> None:
    (piece,) = _mined(report, finding, "No").evidence
    assert piece.kind is EvidenceKind.QUOTED
    assert said in piece.statement
    assert finding.lower() in piece.statement
