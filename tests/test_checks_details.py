"""Checks of details that no quote has, of "normal" as an option, and of what a conclusion names."""

import pytest

from cxr.miner.mine.checks import check_chain, check_evidence
from cxr.schemas.question import Option, Question
from cxr.schemas.reasoning import Evidence
from cxr.schemas.study import Report
from cxr.schemas.text import Quote, Section
from cxr.schemas.vocabulary import EvidenceKind, Licence, Presence, RejectReason, Task
from tests.test_checks import BINARY, ENDING, EVIDENCE, MIDDLE, OPENING, REPORT, SINGLE, chain, plan, seen, silent

LESION = "FINDINGS: Small nodule in the right apex. Left basilar atelectasis. Mild edema. T5 fracture."
PLACED = Report(
    study_id="s", text=LESION, sections=(Section(name="findings", start=10, end=len(LESION)),), licence=Licence.PUBLIC
)


def stated(finding: str, statement: str, words: str) -> Evidence:
    start = LESION.index(words)
    return Evidence(
        evidence_no=1,
        finding=finding,
        kind=EvidenceKind.QUOTED,
        presence=Presence.PRESENT,
        statement=statement,
        quotes=(Quote(start=start, end=start + len(words), text=words),),
    )


@pytest.mark.parametrize(
    ("finding", "statement", "words", "lacking"),
    [
        ("Lung Lesion", "There is a small nodule in the right apex.", "Small nodule in the right apex", None),
        ("Lung Lesion", "There is a nodule in the right upper lobe.", "Small nodule in the right apex", None),
        ("Lung Lesion", "There is a nodule in the right lower lobe.", "Small nodule in the right apex", "lower lobe"),
        ("Lung Lesion", "There is a nodule in the left apex.", "Small nodule in the right apex", "left"),
        ("Lung Lesion", "There is a large nodule.", "Small nodule in the right apex", "severe"),
        ("Lung Lesion", "There are two nodules.", "Small nodule in the right apex", "multiple, 2"),
        ("Lung Lesion", "There is an 8 mm nodule.", "Small nodule in the right apex", "8 mm"),
        ("Lung Lesion", "There is a nodule in the right apex.", "Small nodule", "right, lung apex"),
        ("Atelectasis", "Atelectasis in the left lower lobe.", "Left basilar atelectasis", None),
        ("Atelectasis", "Atelectasis at the left lung base.", "Left basilar atelectasis", None),
        ("Atelectasis", "Atelectasis in the left upper lobe.", "Left basilar atelectasis", "upper lobe"),
        ("Edema", "There is mild edema.", "Mild edema", None),
        ("Edema", "There is severe edema.", "Mild edema", "severe"),
        ("Fracture", "A fracture of the thoracic spine.", "T5 fracture", None),
        ("Fracture", "A fracture of the lumbar spine.", "T5 fracture", "lumbar spine"),
        ("Fracture", "A fracture of a clavicle.", "T5 fracture", "clavicle"),
    ],
)
def test_a_statement_says_no_more_than_its_quotes(
    finding: str, statement: str, words: str, lacking: str | None
) -> None:
    rejection = check_evidence(plan(finding), (stated(finding, statement, words),), PLACED)
    assert (rejection is None) is (lacking is None)
    if rejection is not None:
        assert rejection.reason is RejectReason.STATEMENT_NOT_QUOTED
        assert f"says {lacking}, which" in rejection.message


@pytest.mark.parametrize(
    ("step", "lacking"),
    [
        ("The heart is moderately enlarged.", None),
        ("The heart is enlarged, which is cardiomegaly.", None),
        ("The heart is severely enlarged.", "severe"),
        ("Mild cardiomegaly is seen.", "mild"),
        # what would be, what is not, what is asked, and what only stresses
        ("Severe cardiomegaly would reach the left chest wall.", None),
        ("There is no large left effusion.", None),
        ("The heart may be mildly enlarged.", None),
        ("The enlarged heart is significant.", None),
        ("Option C would be a left rib fracture.", None),
    ],
)
def test_a_step_adds_no_detail_to_what_is_there(step: str, lacking: str | None) -> None:
    rejection = check_chain(SINGLE, EVIDENCE, chain(OPENING, (step, (1,)), MIDDLE, ENDING))
    assert (rejection is None) is (lacking is None)
    if rejection is not None:
        assert rejection.reason is RejectReason.STATEMENT_NOT_QUOTED
        assert f"step 2 says {lacking} of" in rejection.message


# ---- "normal" as an option

NORMAL = Question(
    question_id="q",
    study_id="s",
    task=Task.SINGLE,
    text="Which finding is in this chest X-ray?",
    findings=("normal", "Edema"),
    options=(Option(letter="A", findings=("Edema",)), Option(letter="B", findings=("normal",))),
    answer="B",
    answer_findings=("normal",),
)


@pytest.mark.parametrize(
    ("conclusion", "names"),
    [
        ("This is a normal chest X-ray.", True),
        ("So the chest is unremarkable.", True),
        ("No abnormality is seen.", True),
        ("The answer is B.", True),
        ("So nothing is in the lungs.", False),
    ],
)
def test_normal_is_an_answer_in_any_words_for_it(conclusion: str, names: bool) -> None:
    evidence = (
        seen(1, "normal", "No edema."),
        seen(2, "Edema", "No edema.", Presence.ABSENT),
    )
    steps = (OPENING, ("The lungs are clear.", (1, 2)), (conclusion, ()))
    assert (check_chain(NORMAL, evidence, chain(*steps)) is None) is names


def test_silence_does_not_deny_that_all_is_normal() -> None:
    rejection = check_evidence(plan("normal"), (silent(1, "normal"),), REPORT)
    assert rejection is not None
    assert "quote what the report says" in rejection.message


@pytest.mark.parametrize(
    ("conclusion", "passes"),
    [
        ("The heart is enlarged.", True),
        ("An enlarged heart is left.", True),
        ("The heart is enlarged and edema is there.", False),
        ("The answer is A, cardiomegaly.", False),
        ("Answer: A large heart, cardiomegaly.", True),
    ],
)
def test_other_words_for_the_answer_name_it_where_they_name_no_other_option(conclusion: str, passes: bool) -> None:
    assert (check_chain(SINGLE, EVIDENCE, chain(OPENING, MIDDLE, (conclusion, ()))) is None) is passes


def test_two_images_may_be_compared_and_one_may_not() -> None:
    temporal = BINARY.model_copy(
        update={
            "task": Task.TEMPORAL,
            "options": tuple(
                Option(letter=letter, findings=(change,))
                for letter, change in zip("ABC", ("worsening", "stable", "improving"), strict=True)
            ),
            "answer": "B",
        }
    )
    end = ("So it is stable: B.", ())
    compared = chain(OPENING, ("Compared with the prior image, the heart is as large.", (1,)), end)
    assert check_chain(temporal, EVIDENCE[:1], compared) is None
    told = chain(OPENING, ("The prior report describes it.", (1,)), ("So it is stable: B.", ()))
    assert check_chain(temporal, EVIDENCE[:1], told) is not None
    one = chain(OPENING, ("It is as large as on the prior image.", (1,)), ("The answer is yes.", ()), answer="Yes")
    assert check_chain(BINARY, EVIDENCE[:1], one) is not None
