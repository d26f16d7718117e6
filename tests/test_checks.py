"""The medical checks, one planted fault each."""

from typing import Any

import pytest

from cxr.miner.mine.checks import (
    check_all,
    check_answer_supported,
    check_chain,
    check_evidence,
    check_plan,
    same_answer,
)
from cxr.schemas.question import Option, Question
from cxr.schemas.reasoning import Chain, ChainStep, Evidence, Plan, PlanItem
from cxr.schemas.study import Report
from cxr.schemas.text import Quote, Section
from cxr.schemas.vocabulary import EvidenceKind, Licence, Presence, RejectReason, Task

TEXT = "HISTORY: Prior pneumothorax. FINDINGS: Moderate cardiomegaly. No edema. IMPRESSION: Cardiomegaly."
REPORT = Report(
    study_id="s",
    text=TEXT,
    sections=(
        Section(name="history", start=9, end=28),
        Section(name="findings", start=39, end=71),
        Section(name="impression", start=84, end=len(TEXT)),
    ),
    licence=Licence.PUBLIC,
)
BINARY = Question(
    question_id="q",
    study_id="s",
    task=Task.BINARY,
    text="Does this chest X-ray show cardiomegaly?",
    findings=("Cardiomegaly",),
    answer="Yes",
    answer_findings=("Cardiomegaly",),
)
SINGLE = Question(
    question_id="q",
    study_id="s",
    task=Task.SINGLE,
    text="Which finding is in this chest X-ray?",
    findings=("Cardiomegaly", "Edema", "Fracture"),
    options=tuple(
        Option(letter=letter, findings=(finding,))
        for letter, finding in zip("ABC", ("Edema", "Cardiomegaly", "Fracture"), strict=True)
    ),
    answer="B",
    answer_findings=("Cardiomegaly",),
)
ANOMALY = Question(
    question_id="q",
    study_id="s",
    task=Task.ANOMALY,
    text="Which findings are in this chest X-ray?",
    findings=("Cardiomegaly", "Pleural Effusion"),
    answer="Cardiomegaly, Pleural Effusion",
    answer_findings=("Cardiomegaly", "Pleural Effusion"),
)


def quote(words: str) -> Quote:
    start = TEXT.index(words)
    return Quote(start=start, end=start + len(words), text=words)


def plan(*findings: str) -> Plan:
    return Plan(items=tuple(PlanItem(finding=finding, look_for="Look.") for finding in findings))


def seen(number: int, finding: str, words: str, presence: Presence = Presence.PRESENT) -> Evidence:
    return Evidence(
        evidence_no=number,
        finding=finding,
        kind=EvidenceKind.QUOTED,
        presence=presence,
        statement="As seen.",
        quotes=(quote(words),),
    )


def silent(number: int, finding: str) -> Evidence:
    return Evidence(
        evidence_no=number,
        finding=finding,
        kind=EvidenceKind.INFERRED_NORMAL,
        presence=Presence.ABSENT,
        statement="Nothing there.",
    )


PLANNED = plan("Cardiomegaly", "Edema", "Fracture")
EVIDENCE = (
    seen(1, "Cardiomegaly", "Moderate cardiomegaly."),
    seen(2, "Edema", "No edema.", Presence.ABSENT),
    silent(3, "Fracture"),
)


def chain(*steps: tuple[str, tuple[int, ...]], answer: str = "B") -> Chain:
    return Chain(
        steps=tuple(ChainStep(step_no=i, text=text, evidence=rests) for i, (text, rests) in enumerate(steps, start=1)),
        answer=answer,
    )


OPENING = ("Heart, lungs and bones have to be examined.", ())
MIDDLE = ("The heart is moderately enlarged, with no edema and no fracture.", (1, 2, 3))
ENDING = ("This is cardiomegaly, option B.", ())


def test_sound_reasoning_passes_every_check() -> None:
    assert check_all(SINGLE, PLANNED, EVIDENCE, chain(OPENING, MIDDLE, ENDING), REPORT) is None


@pytest.mark.parametrize(
    ("findings", "named"),
    [
        (("Cardiomegaly", "Edema"), "no item for Fracture"),
        (("Cardiomegaly", "Edema", "Fracture", "Pneumonia"), "not asked about"),
        (("Cardiomegaly", "Edema", "Fracture", "edema"), "more than one item for Edema"),
    ],
)
def test_a_plan_has_exactly_the_findings_asked_about(findings: tuple[str, ...], named: str) -> None:
    rejection = check_plan(SINGLE, plan(*findings))
    assert rejection is not None
    assert rejection.reason is RejectReason.EVIDENCE_INCOMPLETE
    assert named in rejection.message


@pytest.mark.parametrize(
    ("evidence", "reason", "named"),
    [
        (EVIDENCE[:2], RejectReason.EVIDENCE_INCOMPLETE, "no evidence answers Fracture"),
        (
            (*EVIDENCE, silent(4, "Pneumonia")),
            RejectReason.EVIDENCE_INCOMPLETE,
            "a finding that the plan does not have",
        ),
        ((EVIDENCE[0], silent(2, "Edema"), EVIDENCE[2]), RejectReason.EVIDENCE_INCOMPLETE, "inferred from silence"),
        (
            (*EVIDENCE[:2], seen(3, "Fracture", "Prior pneumothorax.")),
            RejectReason.QUOTE_NOT_FOUND,
            "not from the findings or the impression",
        ),
        (
            (
                *EVIDENCE[:2],
                EVIDENCE[0].model_copy(
                    update={"finding": "Fracture", "quotes": (Quote(start=0, end=9, text="Fracture."),)}
                ),
            ),
            RejectReason.QUOTE_NOT_FOUND,
            "not what the report says at its offsets",
        ),
    ],
)
def test_evidence_is_grounded_and_complete(evidence: tuple[Evidence, ...], reason: RejectReason, named: str) -> None:
    rejection = check_evidence(PLANNED, evidence, REPORT)
    assert rejection is not None
    assert rejection.reason is reason
    assert named in rejection.message


def test_silence_is_not_broken_by_the_reason_for_the_examination() -> None:
    """A pneumothorax in the history is none on this image."""
    assert check_evidence(plan("Pneumothorax"), (silent(1, "Pneumothorax"),), REPORT) is None


@pytest.mark.parametrize(
    ("question", "evidence"),
    [
        (BINARY, (silent(1, "Cardiomegaly"),)),
        (BINARY.model_copy(update={"answer": "No", "answer_findings": ()}), EVIDENCE[:1]),
        (SINGLE, (silent(1, "Cardiomegaly"), EVIDENCE[1], EVIDENCE[2])),
        (SINGLE, (EVIDENCE[0], seen(2, "Edema", "No edema."), EVIDENCE[2])),
        (ANOMALY, (EVIDENCE[0], silent(2, "Pleural Effusion"))),
    ],
)
def test_evidence_against_the_answer_is_a_contradiction(question: Question, evidence: tuple[Evidence, ...]) -> None:
    rejection = check_answer_supported(question, evidence)
    assert rejection is not None
    assert rejection.reason is RejectReason.EVIDENCE_CONTRADICTS_ANSWER


@pytest.mark.parametrize(
    "words",
    [
        "The report describes an enlarged heart.",
        "As reported, the heart is enlarged.",
        "According to the findings, the heart is enlarged.",
        "An enlarged heart is documented.",
        "The radiologist noted an enlarged heart.",
        "Edema is not mentioned.",
        "The plan is to look at the heart.",
        "As planned, the lungs come next.",
        "The text says that the heart is enlarged.",
        "Evidence 2 excludes edema.",
        "This is quoted from the impression section.",
    ],
)
def test_a_chain_never_speaks_of_a_report_or_a_plan(words: str) -> None:
    rejection = check_chain(SINGLE, EVIDENCE, chain(OPENING, MIDDLE, (words, (1,)), ENDING))
    assert rejection is not None
    assert rejection.reason is RejectReason.MENTIONS_REPORT
    assert "step 3" in rejection.message


@pytest.mark.parametrize(
    "words",
    [
        "An enlarged heart is noted.",
        "There is no evidence of edema.",
        "The overall impression is that of an enlarged heart.",
        "On plain radiography the heart is enlarged.",
        "The findings support heart failure.",
        "The pleural line is described by a thin white edge.",
    ],
)
def test_the_words_of_people_who_read_images_are_allowed(words: str) -> None:
    assert check_chain(SINGLE, EVIDENCE, chain(OPENING, MIDDLE, (words, (1,)), ENDING)) is None


@pytest.mark.parametrize(
    ("steps", "answer", "reason"),
    [
        ((OPENING, MIDDLE, ENDING), "C", RejectReason.ANSWER_MISMATCH),
        ((OPENING, MIDDLE, ("So it is one of them.", ())), "B", RejectReason.ANSWER_MISMATCH),
        ((OPENING, MIDDLE, ("Cardiomegaly, so the answer is C.", ())), "B", RejectReason.ANSWER_MISMATCH),
        ((OPENING, ("The heart.", (1, 2, 3, 9)), ENDING), "B", RejectReason.EVIDENCE_INCOMPLETE),
        ((OPENING, MIDDLE, ("There is a mass.", ()), ENDING), "B", RejectReason.EVIDENCE_INCOMPLETE),
        ((OPENING, ("The heart is enlarged.", (1,)), ENDING), "B", RejectReason.EVIDENCE_INCOMPLETE),
    ],
)
def test_a_chain_ends_with_the_answer_and_rests_on_its_evidence(
    steps: tuple[Any, ...], answer: str, reason: RejectReason
) -> None:
    rejection = check_chain(SINGLE, EVIDENCE, chain(*steps, answer=answer))
    assert rejection is not None
    assert rejection.reason is reason


@pytest.mark.parametrize(
    "conclusion",
    [
        "Option B it is.",
        "B) fits.",
        "This is cardiomegaly.",
        "The answer is B.",
        "It fits choice B.",
        "Option 'B' is left.",
        "The answer is a large heart: cardiomegaly.",
    ],
)
def test_a_conclusion_names_the_letter_or_the_finding(conclusion: str) -> None:
    assert check_chain(SINGLE, EVIDENCE, chain(OPENING, MIDDLE, (conclusion, ()))) is None


@pytest.mark.parametrize(
    ("conclusion", "names_all"),
    [
        ("There is cardiomegaly with a pleural effusion.", True),
        ("There is cardiomegaly with pleural effusions.", True),
        ("There is cardiomegaly.", False),
    ],
)
def test_an_open_conclusion_names_every_finding(conclusion: str, names_all: bool) -> None:
    evidence = (EVIDENCE[0], EVIDENCE[1].model_copy(update={"finding": "Pleural Effusion"}))
    rejection = check_chain(
        ANOMALY, evidence, chain(OPENING, ("Seen.", (1, 2)), (conclusion, ()), answer=ANOMALY.answer)
    )
    assert (rejection is None) is names_all


def test_a_binary_conclusion_may_not_state_the_opposite() -> None:
    against = chain(OPENING, ("The heart is enlarged.", (1,)), ("The answer is no.", ()), answer="Yes")
    rejection = check_chain(BINARY, EVIDENCE[:1], against)
    assert rejection is not None
    assert rejection.reason is RejectReason.ANSWER_MISMATCH


@pytest.mark.parametrize(
    ("given", "question", "same"),
    [
        ("b", SINGLE, True),
        ("B)", SINGLE, True),
        ("B) cardiomegaly", SINGLE, True),
        ("Option B", SINGLE, True),
        ("cardiomegaly", SINGLE, True),
        ("A) cardiomegaly", SINGLE, False),
        ("yes.", BINARY, True),
        ("Yes, certainly", BINARY, False),
        ("Pleural effusion, cardiomegaly", ANOMALY, True),
        ("Cardiomegaly", ANOMALY, False),
    ],
)
def test_answers_are_compared_as_meant(given: str, question: Question, same: bool) -> None:
    assert same_answer(given, question) is same


def test_messages_never_hold_words_of_the_report() -> None:
    broken = EVIDENCE[0].model_copy(update={"quotes": (Quote(start=0, end=22, text="Moderate cardiomegaly."),)})
    rejection = check_evidence(PLANNED, (broken, *EVIDENCE[1:]), REPORT)
    assert rejection is not None
    assert "Moderate" not in rejection.message
