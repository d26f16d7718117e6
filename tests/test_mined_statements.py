"""What the rules engine states of an image is no more than its quotes say: kinds of error found by reading chains.

Every report is invented.
"""

import pytest

from cxr.miner.ask.reading import read_report
from cxr.miner.judge import RulesJudge
from cxr.miner.mine.checks import check_all
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.mine.job import Mined, mine_question
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import EvidenceKind
from tests.binary_questions import binary


def _mined(text: str, finding: str, answer: str) -> Mined:
    """Mine in one wording, and see that many say nothing else."""
    question = binary(finding, answer)
    report = Report(study_id="test/1", text=f"FINDINGS: {text}")
    judge = RulesJudge()
    for engine in (RulesEngine(), RulesEngine(wording="plain")):
        mined = mine_question(engine, question, report)
        assert check_all(question, mined.plan, mined.evidence, mined.chain, report) is None
        assert all(judged.factual for judged in judge.verdicts(report.text, judge.extract(mined.chain.text)))
    return mined


SEEN = [
    # a device has no degree, and a tube of the middle no side
    ("Support Devices", "The enteric tube has been advanced.", "an enteric tube, a support device"),
    ("Support Devices", "Large-bore right internal jugular catheter.",
     "a right central venous catheter, a support device"),
    ("Support Devices", "Endotracheal tube in the right main bronchus.", "an endotracheal tube, a support device"),
    # any device is said by the one that has a name
    ("Support Devices", "A device projects over the chest. Pacemaker.", "a pacemaker, a support device"),
    # the degree of a fracture is that of its displacement
    ("Fracture", "Mildly displaced fracture of the left clavicle.", "a fracture of the left clavicle"),
    ("Fracture", "Right humeral neck fracture with 5 mm displacement.", "a fracture of the right shoulder"),
    ("Fracture", "Old left rib fractures.", "healed fractures of left ribs"),
    # a heart has no side
    ("Cardiomegaly", "The heart is moderately enlarged.", "moderate cardiomegaly"),
    # one thing, described and summed up, is one
    ("Pneumothorax", "Right pneumothorax measuring 10 mm. IMPRESSION: Moderate right pneumothorax.",
     "a moderate 1 cm right pneumothorax"),
    ("Pleural Effusion", "Small effusion. IMPRESSION: Right pleural effusion.", "a small right pleural effusion"),
    ("Lung Lesion", "2 cm mass in the left apex. IMPRESSION: Left upper lobe mass.",
     "a 2 cm lung mass in the left upper lobe, a kind of lung lesion"),
    ("Atelectasis", "Atelectasis in the right base. IMPRESSION: Mild right lower lobe atelectasis.",
     "mild atelectasis in the right lower lobe"),
    ("Pleural Effusion", "Left pleural effusion. IMPRESSION: Bilateral pleural effusions.",
     "bilateral pleural effusions"),
    # two things are two
    ("Pleural Effusion", "Small left effusion. Moderate right effusion.",
     "a small left pleural effusion and a moderate right pleural effusion"),
    ("Lung Lesion", "8 mm nodule in the left apex. 4 mm nodule in the left base.",
     ("a 0.8 cm lung nodule in the left lung apex and a 0.4 cm lung nodule in the left lung base, "
      "kinds of lung lesion")),
    # a size is said with its thing, and where there are several of one only
    ("Pneumothorax", "Small left apical pneumothorax measuring 9 mm.",
     "a small 0.9 cm pneumothorax in the left lung apex"),
    ("Lung Lesion", "Multiple pulmonary masses, the largest 4 cm.", "multiple lung masses, a kind of lung lesion"),
    # "small" is the size of an opacity, and "mild" its degree
    ("Lung Opacity", "Small right opacity.", "a small right lung opacity"),
    ("Lung Opacity", "Mild right opacity.", "a mild right lung opacity"),
    # where something is
    ("Atelectasis", "Atelectasis overlying the left ventricle.", "atelectasis over the left ventricle"),
    ("Lung Opacity", "Scarring at the left costophrenic angle.",
     "scarring at the left costophrenic angle, a kind of lung opacity"),
    ("Pneumonia", "Left lingular pneumonia.", "pneumonia in the lingula"),
]  # fmt: skip


@pytest.mark.parametrize(("finding", "report", "seen"), SEEN, ids=[report for _, report, _ in SEEN])
def test_what_is_seen_is_said_once_and_with_its_own_attributes(finding: str, report: str, seen: str) -> None:
    assert _mined(report, finding, "Yes").evidence[0].statement == f"The image shows {seen}."


@pytest.mark.parametrize(
    ("report", "finding", "words"),
    [
        ("Nodule in the right lung measuring 1.2 cm.", "Lung Lesion", "measuring 1.2 cm"),
        ("A 15 mm nodule is again seen in the left lower lobe.", "Lung Lesion", "A 15 mm nodule"),
        ("Small residual apical pneumothorax, now 9 mm.", "Pneumothorax", "9 mm"),
    ],
)
def test_a_quote_grows_to_where_its_size_stands(report: str, finding: str, words: str) -> None:
    (piece,) = _mined(report, finding, "Yes").evidence
    assert any(words in quote.text for quote in piece.quotes)
    assert not any("FINDINGS" in quote.text for quote in piece.quotes)


def test_everything_that_is_seen_is_quoted() -> None:
    report = (
        "Endotracheal tube above the carina. Enteric tube in the stomach. Right central venous catheter. "
        "Left pacemaker. Two right chest tubes. Left chest port."
    )
    (piece,) = _mined(report, "Support Devices", "Yes").evidence
    assert len(piece.quotes) == 6


@pytest.mark.parametrize(
    ("report", "finding", "statement"),
    [
        ("No nodules.", "Lung Lesion", "No lung nodule is seen, nor any other sign of a lung lesion."),
        ("No nodule or mass.", "Lung Lesion", "No lung lesion is seen."),
        ("No heart failure.", "Edema", "No congestive heart failure is seen, nor any other sign of edema."),
        ("No infiltrate.", "Lung Opacity", "No infiltrate is seen, nor any other sign of a lung opacity."),
        ("No lung opacity.", "Lung Opacity", "No lung opacity is seen."),
        ("The lungs are clear.", "Lung Lesion", "No lung lesion is seen."),
    ],
)
def test_where_a_kind_is_denied_the_statement_names_it(report: str, finding: str, statement: str) -> None:
    assert _mined(report, finding, "No").evidence[0].statement == statement


@pytest.mark.parametrize(
    ("report", "finding"),
    [
        ("No new disease.", "Cardiomegaly"),
        ("No left effusion.", "Pleural Effusion"),
        ("No large areas of consolidation.", "Consolidation"),
    ],
)
def test_what_denies_less_than_the_finding_is_not_quoted(report: str, finding: str) -> None:
    assert [piece.kind for piece in _mined(report, finding, "No").evidence] == [EvidenceKind.INFERRED_NORMAL]


@pytest.mark.parametrize(
    ("option", "report", "statement"),
    [
        ("moderate scoliosis", "Scoliosis.", "The image shows scoliosis."),
        ("mild scoliosis", "Mild scoliosis.", "The image shows mild scoliosis."),
        ("severe degenerative changes of the spine", "Significant degenerative changes of the spine.",
         "The image shows degenerative changes of the spine."),
        ("left PICC", "Left PICC.", "The image shows a left PICC."),
    ],
)  # fmt: skip
def test_the_degree_of_an_option_is_not_repeated_where_the_report_has_none(
    option: str, report: str, statement: str
) -> None:
    assert _mined(report, option, "Yes").evidence[0].statement == statement


@pytest.mark.parametrize(
    ("report", "named"),
    [
        ("Degenerative changes of the thoracic spine.", "degenerative changes of the thoracic spine"),
        ("Calcified granulomas.", "calcified granulomas"),
        ("Old left rib fractures.", "healed fractures of left ribs"),
        ("A 9 mm nodule in the right upper lobe.", "0.9 cm lung nodule in the right upper lobe"),
        ("Free air under the right hemidiaphragm.", "free intraperitoneal air under the right diaphragm"),
    ],
)
def test_findings_that_a_question_names_are_good_english(report: str, named: str) -> None:
    assert read_report(f"FINDINGS: {report}").anomalies == (named,)
