"""The rules engine: what it looks for asserts nothing, what it says is seen is what the report says."""

from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.radrscore import score_reasoning
from cxr.miner.kit.errors import MiningReject
from cxr.miner.language import analyse
from cxr.miner.language.labeler import label
from cxr.miner.mine.checks import check_all
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.mine.job import Mined, mine_question
from cxr.miner.mine.settings import Wording
from cxr.miner.pack import pack
from cxr.schemas.question import Option, Question
from cxr.schemas.reasoning import Chain, Evidence, Plan
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import EvidenceKind, Presence, RejectReason, Task
from tests.binary_questions import binary
from tests.conftest import Cli
from tests.corpora import write_openi
from tests.language import read

PLAIN = RulesEngine(wording="plain")


def _parts(mined: Mined) -> tuple[Plan, tuple[Evidence, ...], Chain]:
    return mined.plan, mined.evidence, mined.chain


def _report(text: str) -> Report:
    return Report(study_id="test/1", text=text)


@pytest.mark.parametrize("finding", pack().question_labels)
@pytest.mark.parametrize("number", range(6))
def test_saying_what_to_look_for_asserts_nothing(finding: str, number: int) -> None:
    question = binary(finding, "No").model_copy(update={"question_id": str(number)})
    mined = mine_question(RulesEngine(), question, _report("FINDINGS: Unremarkable."))
    assert [found.observation for found in analyse(mined.chain.steps[0].text).findings] == []


@pytest.mark.parametrize(
    ("report", "finding", "statement"),
    [
        ("FINDINGS: There is a small left pleural effusion.", "Pleural Effusion", "small left pleural effusion"),
        ("FINDINGS: Large right pneumothorax.", "Pneumothorax", "large right pneumothorax"),
        ("FINDINGS: The heart is moderately enlarged.", "Cardiomegaly", "moderate cardiomegaly"),
        (
            "FINDINGS: Mild atelectasis in the left lower lobe.",
            "Atelectasis",
            "mild atelectasis in the left lower lobe",
        ),
        ("FINDINGS: There is a 2.4 cm nodule in the right upper lobe.", "Lung Lesion", "in the right upper lobe"),
        ("FINDINGS: Bibasilar atelectasis.", "Atelectasis", "atelectasis in both lung bases"),
    ],
)
def test_what_the_report_says_is_said_of_the_image_with_its_side_place_and_size(
    report: str, finding: str, statement: str
) -> None:
    mined = mine_question(RulesEngine(), binary(finding, "Yes"), _report(report))
    (piece,) = mined.evidence
    assert piece.kind is EvidenceKind.QUOTED
    assert piece.presence is Presence.PRESENT
    assert statement in piece.statement
    assert all(report[quote.start : quote.end] == quote.text for quote in piece.quotes)


@pytest.mark.parametrize(
    ("report", "finding", "kind"),
    [
        ("FINDINGS: No pleural effusion.", "Pleural Effusion", EvidenceKind.QUOTED),
        ("FINDINGS: Heart size is normal.", "Cardiomegaly", EvidenceKind.QUOTED),
        ("FINDINGS: The lungs are clear.", "Consolidation", EvidenceKind.QUOTED),
        ("FINDINGS: The lungs are clear.", "Fracture", EvidenceKind.INFERRED_NORMAL),
    ],
)
def test_absence_is_quoted_where_the_report_speaks_and_inferred_where_it_is_silent(
    report: str, finding: str, kind: EvidenceKind
) -> None:
    mined = mine_question(RulesEngine(), binary(finding, "No"), _report(report))
    assert [piece.kind for piece in mined.evidence] == [kind]


@pytest.mark.parametrize(
    ("report", "finding", "answer"),
    [
        ("FINDINGS: There is a left pneumothorax.", "Pneumothorax", "No"),
        ("FINDINGS: No pneumothorax.", "Pneumothorax", "Yes"),
        ("FINDINGS: The lungs are clear.", "Fracture", "Yes"),
        ("FINDINGS: Possible pneumonia in the left lower lobe.", "Pneumonia", "No"),
        ("FINDINGS: Bibasilar atelectasis.", "Lung Opacity", "No"),
    ],
)
def test_a_report_that_contradicts_the_answer_is_a_reject(report: str, finding: str, answer: str) -> None:
    with pytest.raises(MiningReject) as caught:
        mine_question(RulesEngine(), binary(finding, answer), _report(report))
    assert caught.value.reason is RejectReason.EVIDENCE_CONTRADICTS_ANSWER
    assert report not in caught.value.message


def test_a_question_with_options_is_answered_with_a_chain_that_the_judge_supports() -> None:
    question = Question(
        question_id="q",
        study_id="test/1",
        task=Task.SINGLE,
        text="Which finding is in this chest X-ray?",
        findings=("Atelectasis", "Edema", "Fracture", "Pneumothorax"),
        options=tuple(
            Option(letter=letter, findings=(finding,))
            for letter, finding in zip("ABCD", ("Edema", "Fracture", "Atelectasis", "Pneumothorax"), strict=True)
        ),
        answer="C",
        answer_findings=("Atelectasis",),
    )
    report = _report("FINDINGS: Linear atelectasis at the left base. No pneumothorax. IMPRESSION: Atelectasis.")
    mined = mine_question(RulesEngine(), question, report)
    assert check_all(question, mined.plan, mined.evidence, mined.chain, report) is None
    assert [item.finding for item in mined.plan.items] == ["Edema", "Fracture", "Atelectasis", "Pneumothorax"]
    assert check_all(question, *_parts(mine_question(PLAIN, question, report)), report) is None
    judge = RulesJudge()
    judged = judge.verdicts(report.text, judge.extract(mined.chain.text))
    assert len(judged) >= 4
    assert all(verdict.factual for verdict in judged), [(item.finding.observation, item.reason) for item in judged]
    assert "answer is C" in mined.chain.steps[-1].text


def test_words_that_nobody_knows_are_a_reject() -> None:
    with pytest.raises(MiningReject, match="does not know 'Gizzard Stones'"):
        mine_question(RulesEngine(), binary("Gizzard Stones", "No"), _report("FINDINGS: Normal."))


def test_a_stored_question_whose_answer_names_nothing_is_a_reject_and_the_others_are_mined(
    cxr: Cli, tmp_path: Path
) -> None:
    write_openi(tmp_path / "openi")
    assert cxr("ingest", "openi", "openi").returncode == 0
    assert cxr("ask", "--source", "report", "--tasks", "anomaly", "--balance", "none").returncode == 0
    with duckdb.connect(str(tmp_path / "cxr.duckdb")) as store:
        (broken,) = store.execute("select min(question_id) from questions where task = 'anomaly'").fetchone() or ("",)
        store.execute("update questions set answer_findings = [] where question_id = ?", [broken])
    run = cxr("mine", "--engine", "rules")
    assert run.returncode == 4, run.stderr
    with duckdb.connect(str(tmp_path / "cxr.duckdb"), read_only=True) as store:
        reasons = store.execute("select reason, message from rejects where reject_key = ?", [broken]).fetchall()
        assert store.execute("select count(*) > 0 from chains").fetchone() == (True,)
    assert [reason for reason, _ in reasons] == ["bad_value"]
    assert "answer_findings" in reasons[0][1]


@pytest.mark.parametrize(
    ("report", "finding", "answer", "kind"),
    [
        ("FINDINGS: Mild scoliosis of the thoracic spine.", "mild scoliosis", "Yes", EvidenceKind.QUOTED),
        ("FINDINGS: The aorta is tortuous.", "tortuous aorta", "Yes", EvidenceKind.QUOTED),
        ("FINDINGS: The aorta is normal.", "tortuous aorta", "No", EvidenceKind.QUOTED),
        ("FINDINGS: The lungs are clear.", "tortuous aorta", "No", EvidenceKind.INFERRED_NORMAL),
    ],
)
def test_a_finding_named_in_words_is_mined_through_the_judge(
    report: str, finding: str, answer: str, kind: EvidenceKind
) -> None:
    mined = mine_question(RulesEngine(), binary(finding, answer), _report(report))
    assert [piece.kind for piece in mined.evidence] == [kind]
    judge = RulesJudge()
    assert all(verdict.factual for verdict in judge.verdicts(report, judge.extract(mined.chain.text)))


def test_an_open_question_does_not_give_its_answer_away_before_it_is_seen() -> None:
    question = binary("mild scoliosis", "Yes").model_copy(
        update={"task": Task.ANOMALY, "answer": "mild scoliosis", "text": "Which findings are in this chest X-ray?"}
    )
    mined = mine_question(RulesEngine(), question, _report("FINDINGS: Mild scoliosis of the thoracic spine."))
    before, _, _ = mined.chain.text.partition(mined.evidence[0].statement)
    assert "scoliosis" not in before


FORMS = [
    # the report, how the engine says it, what our own reading makes of that
    ("Bilateral pleural effusions.", "bilateral pleural effusions", "+pleural_effusion bilateral"),
    ("Small left effusion.", "a small left pleural effusion", "+pleural_effusion left mild"),
    ("Nodule in the right lung.", "a right lung nodule", "+nodule right"),
    ("Multiple small nodules.", "multiple small lung nodules", "+nodule mild multiple"),
    ("Opacity in the perihilar region.", "a lung opacity in the perihilar region", "+lung_opacity perihilar"),
    (
        "Opacities in both perihilar regions.",
        "lung opacities in both perihilar regions",
        "+lung_opacity bilateral perihilar",
    ),
    ("Left retrocardiac opacity.", "a left lung opacity in the retrocardiac region", "+lung_opacity left retrocardiac"),
    ("Fracture of a left rib.", "a fracture of a left rib", "+fracture left rib"),
    ("Right rib fractures.", "fractures of right ribs", "+fracture right rib"),
    (
        "Mass in the superior segment of the left lower lobe.",
        "a lung mass in the superior segment of the left lower lobe",
        "+mass left superior_segment lower_lobe",
    ),
    ("Two-lead pacemaker. Left PICC.", "a pacemaker and a left PICC", "+pacemaker"),
    ("Left pacemaker with right ventricular leads.", "a left pacemaker", "+pacemaker left"),
    (
        "Right apical and left basal nodules.",
        "lung nodules in the right lung apex and lung nodules in the left lung base",
        "+nodule left lung_base",
    ),
]


@pytest.mark.parametrize(("report", "words", "meaning"), FORMS, ids=[words for _, words, _ in FORMS])
def test_what_is_said_of_the_image_is_good_english_and_reads_as_the_report(
    report: str, words: str, meaning: str
) -> None:
    text = f"FINDINGS: {report}"
    (finding,) = [finding for finding, value in label(text).items() if value == 1 and finding in pack().question_labels]
    mined = mine_question(PLAIN, binary(finding, "Yes"), _report(text))
    said = mined.evidence[0].statement
    assert said.startswith(f"The image shows {words}"), said
    assert meaning in read(said)


@pytest.mark.parametrize(
    ("report", "finding", "statement"),
    [
        # What explains a thing lies where the thing does; a place in another organ gives its side alone.
        (
            "Patchy right lower lobe opacity compatible with pneumonia.",
            "Pneumonia",
            "pneumonia in the right lower lobe.",
        ),
        (
            "Bandlike density at the left base, likely atelectasis.",
            "Atelectasis",
            "probable atelectasis in the left lung base.",
        ),
        (
            "Left greater than right basal density, probable atelectasis.",
            "Atelectasis",
            "probable atelectasis in both lung bases.",
        ),
        (
            "Right lower lobe airspace disease and small effusion.",
            "Pleural Effusion",
            "a small right pleural effusion.",
        ),
        # One thing graded twice is said once, with the later degree; two things are two.
        ("Minimal right effusion. Small right effusion.", "Pleural Effusion", "a small right pleural effusion."),
        ("Minimally enlarged heart. Mild cardiomegaly.", "Cardiomegaly", "mild cardiomegaly."),
        (
            "Small right apical pneumothorax. Large left pneumothorax.",
            "Pneumothorax",
            "a small pneumothorax in the right lung apex and a large left pneumothorax.",
        ),
        (
            "Small nodule in the right lung. Large nodule in the right lung.",
            "Lung Lesion",
            "a small right lung nodule and",
        ),
        ("Complete collapse of the left lung.", "Atelectasis", "left whole lung collapse, a kind of atelectasis."),
    ],
)
def test_a_thing_is_said_once_with_the_place_that_its_sentence_gives(report: str, finding: str, statement: str) -> None:
    mined = mine_question(PLAIN, binary(finding, "Yes"), _report(f"FINDINGS: {report}"))
    assert mined.evidence[0].statement.startswith(f"The image shows {statement}")


@pytest.mark.parametrize("finding", pack().question_labels)
def test_a_conclusion_reads_as_its_answer(finding: str) -> None:
    report = "FINDINGS: The lungs are clear. The heart and mediastinum are normal."
    mined = mine_question(RulesEngine(), binary(finding, "No"), _report(report))
    forms = [form for found in analyse(mined.chain.steps[-1].text).findings for form in found.normal_forms]
    assert [form.presence for form in forms] == [Presence.ABSENT]


@pytest.mark.parametrize(
    ("report", "finding"),
    [
        ("FINDINGS: Opacity at the left base, atelectasis versus pneumonia.", "Atelectasis"),
        ("FINDINGS: Streaky density represents atelectasis or scarring.", "Atelectasis"),
        ("FINDINGS: XXXX pleural effusion versus thickening.", "Pleural Effusion"),
        ("FINDINGS: Possible pneumothorax.", "Pneumothorax"),
    ],
)
def test_what_the_report_only_suspects_is_not_concluded(report: str, finding: str) -> None:
    with pytest.raises(MiningReject, match="only suspects it") as caught:
        mine_question(RulesEngine(), binary(finding, "Yes"), _report(report))
    assert caught.value.reason is RejectReason.EVIDENCE_CONTRADICTS_ANSWER


@pytest.mark.parametrize(
    ("report", "finding"),
    [
        ("FINDINGS: The right chest tube has been removed.", "Support Devices"),
        ("FINDINGS: No right pleural effusion.", "Pleural Effusion"),
        ("FINDINGS: No large pneumothorax.", "Pneumothorax"),
    ],
)
def test_the_absence_of_one_is_no_quote_for_the_absence_of_all(report: str, finding: str) -> None:
    mined = mine_question(RulesEngine(), binary(finding, "No"), _report(report))
    assert [piece.kind for piece in mined.evidence] == [EvidenceKind.INFERRED_NORMAL]


@pytest.mark.parametrize(
    ("report", "finding", "words"),
    [
        ("FINDINGS: Calcified granuloma.", "Lung Lesion", "the report names a kind of it"),
        ("FINDINGS: Mild scoliosis.", "tortuous aorta", "the report does not speak of it"),
    ],
)
def test_a_reject_gives_its_reason_in_plain_words(report: str, finding: str, words: str) -> None:
    answer = "No" if finding == "Lung Lesion" else "Yes"
    with pytest.raises(MiningReject) as caught:
        mine_question(RulesEngine(), binary(finding, answer), _report(report))
    assert words in caught.value.message
    assert "_" not in caught.value.message


# --- the varied wording ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "finding", "said", "quoted"),
    [
        # what one sees of it, in its own sentence, and what goes with it
        (
            "Airspace disease in the right lower lobe consistent with pneumonia.",
            "Pneumonia",
            "airspace disease in the right lower lobe",
            "Airspace disease",
        ),
        ("Left basilar atelectasis. Low lung volumes.", "Atelectasis", "low lung volumes", "Low lung volumes"),
        ("Pulmonary edema. Kerley B lines are present.", "Edema", "septal lines", "Kerley B lines"),
        # what it is weighed against
        ("Left basilar atelectasis. No focal consolidation.", "Atelectasis", "consolidation", "No focal consolidation"),
        ("Opacity in the left base. No pleural effusion.", "Lung Opacity", None, None),
        ("Opacity in the left base. No pulmonary edema.", "Lung Opacity", "edema", "No pulmonary edema"),
    ],
)
def test_what_stands_beside_a_finding_is_weighed_where_a_quote_on_it_says_so(
    report: str, finding: str, said: str | None, quoted: str | None
) -> None:
    text = f"FINDINGS: {report}"
    (piece,) = mine_question(RulesEngine(), binary(finding, "Yes"), _report(text)).evidence
    (plain,) = mine_question(PLAIN, binary(finding, "Yes"), _report(text)).evidence
    if said is None or quoted is None:
        assert len(piece.quotes) == len(plain.quotes)
        return
    assert said in piece.statement.lower()
    assert said not in plain.statement
    assert any(quoted in quote.text for quote in piece.quotes)


@pytest.mark.parametrize(
    ("report", "finding", "unsaid"),
    [
        # another sentence, another side, only suspected, also asked about elsewhere
        ("Opacity in the right upper lobe. Left pneumonia.", "Pneumonia", "opacity"),
        ("Small left pleural effusion. Right basilar atelectasis.", "Pleural Effusion", "atelectasis"),
        ("Left basilar atelectasis. Possible low lung volumes.", "Atelectasis", "volumes"),
        # a kind of it alone is denied, or less than all of it
        ("Left basilar atelectasis. No large consolidation.", "Atelectasis", "onsolidation"),
        # another name of the same
        ("Airspace disease in the left base. No consolidation.", "Lung Opacity", "onsolidation"),
    ],
)
def test_what_is_not_surely_beside_a_finding_is_not_told(report: str, finding: str, unsaid: str) -> None:
    (piece,) = mine_question(RulesEngine(), binary(finding, "Yes"), _report(f"FINDINGS: {report}")).evidence
    assert unsaid not in piece.statement


def _anomaly(*present: str, asked: tuple[str, ...] = pack().question_labels, question_id: str = "q") -> Question:
    return Question(
        question_id=question_id,
        study_id="test/1",
        task=Task.ANOMALY,
        text="Which findings are in this chest X-ray?",
        findings=asked,
        answer=", ".join(present),
        answer_findings=present,
    )


def test_regions_are_read_in_one_breath_and_a_thing_that_counts_twice_is_described_once() -> None:
    report = _report(
        "FINDINGS: 2 cm nodular opacity in the right upper lobe. The heart and mediastinum are normal. "
        "No pleural effusion or pneumothorax. The bones are intact."
    )
    mined = mine_question(RulesEngine(), _anomaly("Lung Lesion", "Lung Opacity"), report)
    assert mined.chain.text.count("2 cm") == 1
    assert len(mined.chain.steps) == 2 + len({signs.region for signs in pack().signs.values()})
    assert {number for step in mined.chain.steps for number in step.evidence} == set(range(1, 13))
    scored = score_reasoning(
        mined.chain.text, " ".join(piece.statement for piece in mined.evidence), report.text, RulesJudge()
    )
    assert scored.score.factuality == scored.score.completeness == 1
    told = [piece.statement for piece in mined.evidence if piece.presence is Presence.PRESENT]
    assert len(told) == 2
    assert all("2 cm" in statement for statement in told)


def test_a_clear_structure_is_not_said_of_a_report_that_has_something_in_it() -> None:
    report = _report("FINDINGS: Opacity in the left base. The lungs are otherwise clear. No effusion.")
    (piece,) = mine_question(RulesEngine(), binary("Pneumothorax", "No"), report).evidence
    assert "clear" not in piece.statement


@pytest.mark.parametrize("wording", ["varied", "plain"])
def test_the_degree_of_a_finding_in_words_comes_from_the_report(wording: Wording) -> None:
    question = binary("mild scoliosis", "Yes").model_copy(
        update={
            "task": Task.SINGLE,
            "findings": ("mild scoliosis", "tortuous aorta"),
            "options": (
                Option(letter="A", findings=("tortuous aorta",)),
                Option(letter="B", findings=("mild scoliosis",)),
            ),
            "answer": "B",
        }
    )
    report = _report("FINDINGS: Mild to moderate scoliosis of the thoracic spine. The aorta is normal.")
    mined = mine_question(RulesEngine(wording=wording), question, report)
    (piece,) = [each for each in mined.evidence if each.presence is Presence.PRESENT]
    assert "scoliosis of the thoracic spine" in piece.statement
    if wording == "varied":
        said = mined.chain.text.replace(piece.statement, "")
        assert "mild" not in said


def test_a_seed_names_the_wording_and_the_wording_is_part_of_what_a_chain_is_known_by() -> None:
    report = _report("FINDINGS: The lungs are clear. The heart is normal.")
    question = binary("Pneumothorax", "No")
    texts = {seed: mine_question(RulesEngine(wording_seed=seed), question, report).chain.text for seed in range(9)}
    assert len(set(texts.values())) > 5
    assert texts[3] == mine_question(RulesEngine(wording_seed=3), question, report).chain.text
    other = question.model_copy(update={"question_id": "other"})
    assert mine_question(RulesEngine(), other, report).chain.text != texts[0]
    assert mine_question(PLAIN, other, report).chain == mine_question(PLAIN, other, report).chain
    told = [RulesEngine(), RulesEngine(wording_seed=1), PLAIN]
    assert len({str(engine.settings()) for engine in told}) == 3
    assert PLAIN.settings() == RulesEngine(wording="plain", wording_seed=7).settings()
    assert len({engine.version for engine in told}) == 1


def test_the_command_is_told_the_wording(cxr: Cli, tmp_path: Path) -> None:
    write_openi(tmp_path / "openi")
    assert cxr("ingest", "openi", "openi").returncode == 0
    assert cxr("ask", "--tasks", "binary", "--balance", "none").returncode == 0
    for flags in (("--wording", "plain"), ("--wording-seed", "3")):
        run = cxr("mine", *flags)
        assert "0 were there already" in run.stderr, run.stderr
    assert cxr("mine", "--wording", "loud").returncode == 2
    with duckdb.connect(str(tmp_path / "cxr.duckdb"), read_only=True) as store:
        told = store.execute("select count(distinct settings_hash), count(distinct text) from chains").fetchone()
        engines = store.execute("select distinct settings_hash from chains").fetchall()
    assert told is not None
    assert len(engines) == told[0] == 2


# --- whatever is reported, and whatever is drawn ---------------------------------------------------------------------

REPORTED = (
    "There is a small left pleural effusion", "No pleural effusion", "Large right pneumothorax", "No pneumothorax",
    "Mild cardiomegaly", "The heart is normal in size", "Left basilar atelectasis with low lung volumes",
    "No focal consolidation", "Patchy opacity in the right lower lobe consistent with pneumonia", "The lungs are clear",
    "Mild pulmonary edema with Kerley B lines", "No edema", "8 mm nodule in the left apex", "No nodules or masses",
    "Old right rib fractures", "The bones are intact", "Right PICC with its tip in the SVC", "Widened mediastinum",
    "No acute cardiopulmonary abnormality", "The mediastinum is normal", "Possible pneumonia in the left base",
)  # fmt: skip


# What the report says of the answer; no check of what was said.
OF_THE_REPORT = {
    RejectReason.EVIDENCE_CONTRADICTS_ANSWER,
    RejectReason.REPORT_NOT_UNDERSTOOD,
    RejectReason.READING_DOUBTED,
}


@settings(max_examples=60)
@given(
    said=st.lists(st.sampled_from(REPORTED), min_size=1, max_size=6, unique=True),
    asked=st.lists(st.sampled_from(pack().question_labels), min_size=1, max_size=6, unique=True),
    seed=st.integers(0, 10**6),
)
def test_for_any_report_and_seed_a_chain_passes_checks_and_judge(said: list[str], asked: list[str], seed: int) -> None:
    """Where one wording passes the judge whole, all do; some reports say what he takes for two things of one name."""
    text = f"FINDINGS: {'. '.join(said)}."
    values = label(text)
    present = tuple(finding for finding in asked if values[finding] == 1)
    question = _anomaly(*present, asked=tuple(asked)) if present else binary(asked[0], "No")

    def scored(engine: RulesEngine) -> tuple[float | None, float | None]:
        """Mine, and return factuality and completeness."""
        mined = mine_question(engine, question, _report(text))  # all checks are in it
        reference = " ".join(piece.statement for piece in mined.evidence)
        score = score_reasoning(mined.chain.text, reference, text, RulesJudge()).score
        return score.factuality, score.completeness

    try:
        plain = scored(PLAIN)
    except MiningReject as reject:
        if reject.reason not in OF_THE_REPORT:
            raise
        return
    for one, many in zip(plain, scored(RulesEngine(wording_seed=seed)), strict=True):
        assert one != 1 or many == 1, text
