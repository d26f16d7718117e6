"""`--entailment radiologist`: what radiologists grant and the rubric does not, and nothing that the report denies."""

import json
from pathlib import Path
from typing import Any

import pytest

from cxr.miner.judge import RulesJudge
from cxr.miner.pack import pack
from cxr.schemas import Finding, Verdict
from tests.conftest import Cli
from tests.predictions_world import evaluate, make_benchmark, predict

REPORT = (
    "FINDINGS: Blunting of the left costophrenic angle. The lungs are hyperinflated. Patchy opacity in the right lower "
    "lobe. Calcified granuloma in the left upper lobe. Degenerative changes of the thoracic spine. No pneumothorax."
)
GRANTED = [
    ("left pleural effusion", "present"),
    ("emphysema", "present"),
    ("pneumonia in the right lower lobe", "present"),
    ("right basilar atelectasis", "present"),
    ("bones", "normal"),
    ("nodule", "absent"),
]
NOT_GRANTED = [
    # another side, another place
    ("right pleural effusion", "present"),
    ("left upper lobe pneumonia", "present"),
    # denied by name
    ("pneumothorax", "present"),
    # no sign of it
    ("cardiomegaly", "present"),
    ("rib fracture", "present"),
    # something more than routine stands against it
    ("lungs", "clear"),
    # it speaks of what is routine itself
    ("calcified granuloma", "absent"),
    ("degenerative changes of the spine", "absent"),
    # a sign of it, and the denial of the sign
    ("pleural effusion", "absent"),
]
RADIOLOGIST = ("--entailment", "radiologist")


def through(cxr: Cli, folder: Path, command: str, record: dict[str, Any], *options: str) -> dict[str, Any]:
    (folder / "in.jsonl").write_text(json.dumps({"id": "a", **record}) + "\n")
    done = cxr(command, "in.jsonl", "-o", "out.jsonl", *options)
    assert done.returncode == 0, done.stderr
    line: dict[str, Any] = json.loads((folder / "out.jsonl").read_text())
    return line


def factual(line: dict[str, Any]) -> list[bool]:
    return [finding["factual"] for finding in line["findings"]]


def test_radiologists_grant_what_the_rubric_does_not(cxr: Cli, tmp_path: Path) -> None:
    findings = [{"observation": observation, "status": status} for observation, status in GRANTED]
    record = {"report": REPORT, "findings": findings}
    by_rubric = through(cxr, tmp_path, "judge", record)
    assert factual(by_rubric) == [False] * len(GRANTED)
    assert by_rubric == through(cxr, tmp_path, "judge", record, "--entailment", "rubric")
    granted = through(cxr, tmp_path, "judge", record, *RADIOLOGIST)
    assert factual(granted) == [True] * len(GRANTED)
    assert {finding["reason"] for finding in granted["findings"]} == {"granted"}
    assert {finding["error"] for finding in granted["findings"]} == {None}
    assert granted["judge"]["version"] == f"radiologist-{by_rubric['judge']['version']}"
    for finding in granted["findings"]:
        if finding["verdict"] == "supported":
            assert finding["extra_detail"]
            assert finding["evidence"]


@pytest.mark.parametrize(("observation", "status"), NOT_GRANTED)
def test_what_is_elsewhere_denied_or_not_spoken_of_is_judged_alike(observation: str, status: str) -> None:
    finding = Finding(observation=observation, status=status)
    (strict,) = RulesJudge().verdicts(REPORT, [finding])
    assert RulesJudge("radiologist").verdicts(REPORT, [finding]) == [strict]


@pytest.mark.parametrize(
    ("report", "observation"),
    [
        ("The left costophrenic angle is blunted. No pleural effusion.", "left pleural effusion"),
        ("Patchy opacity in the right lower lobe, no pneumonia.", "right lower lobe pneumonia"),
        ("Hyperinflated lungs without emphysema.", "emphysema"),
    ],
)
def test_a_sign_grants_nothing_that_the_report_denies(report: str, observation: str) -> None:
    (judged,) = RulesJudge("radiologist").verdicts(
        f"FINDINGS: {report}", [Finding(observation=observation, status="present")]
    )
    assert judged.verdict is Verdict.CONTRADICTED


def test_a_list_holds_a_disease_by_its_sign(cxr: Cli, tmp_path: Path) -> None:
    reference = [("left pleural effusion", "present"), ("right pleural effusion", "present"), ("emphysema", "present")]
    prediction = [("blunting of the left costophrenic angle", "present"), ("emphysema", "absent")]
    record = {
        "report": REPORT,
        "reference": [{"observation": observation, "status": status} for observation, status in reference],
        "prediction": [{"observation": observation, "status": status} for observation, status in prediction],
    }

    def recalled(*options: str) -> list[bool]:
        line = through(cxr, tmp_path, "radrscore", record, *options)
        return [finding["recalled"] for finding in line["reference"]]

    assert recalled() == [False, False, False]
    assert recalled(*RADIOLOGIST) == [True, False, False]


def test_only_the_rules_judge_grants_and_only_what_there_is(cxr: Cli, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"id": "a", "report": REPORT, "findings": []}) + "\n")
    server = ("--judge", "llm", "--judge-model", "m", "--base-url", "http://127.0.0.1:1/v1")
    done = cxr("judge", "in.jsonl", "-o", "out.jsonl", *server, *RADIOLOGIST)
    assert done.returncode == 2
    assert "--entailment radiologist is for the rules judge" in done.stderr
    done = cxr("judge", "in.jsonl", "-o", "out.jsonl", "--entailment", "everything")
    assert done.returncode == 2
    assert "entailment" in done.stderr


def test_judges_that_grant_alike_are_equal() -> None:
    assert RulesJudge() == RulesJudge("rubric") != RulesJudge("radiologist") == RulesJudge("radiologist")
    assert len({RulesJudge(), RulesJudge("radiologist"), RulesJudge("rubric")}) == 2


def test_nothing_is_granted_by_itself_or_by_its_own_kind() -> None:
    concepts = {name: concept for table in pack().concepts.values() for name, concept in table.items()}
    for name, signs in pack().relations.granted.items():
        assert name not in signs
        assert len(set(signs)) == len(signs), name
        kinds = {sign for sign in signs if name in concepts[sign].is_a}
        # a kind of it is it by the rubric already
        assert not kinds, (name, kinds)


def test_evaluations_by_both_stand_side_by_side(tmp_path: Path) -> None:
    make_benchmark(tmp_path)
    predict(tmp_path)
    plain, granted = evaluate(tmp_path), evaluate(tmp_path, *RADIOLOGIST)
    assert plain.returncode == granted.returncode == 0, plain.stderr + granted.stderr
    assert "scored by rules radiologist-" in granted.stderr
    assert ", 0 were already" in granted.stderr
    assert "0 predictions scored" in evaluate(tmp_path).stderr


# Reports, findings and whether a radiologist grants them, by our own reading; written before any of it was judged.
GRANTS = [
    ("Blunting of both costophrenic angles.", "bilateral pleural effusions", "present"),
    ("The right costophrenic sulcus is blunted.", "small right pleural effusion", "present"),
    ("Hyperexpanded lungs with flattened hemidiaphragms.", "COPD", "present"),
    ("Hyperlucent upper lobes with bullae.", "emphysema", "present"),
    ("Cephalization of the pulmonary vessels and Kerley B lines.", "pulmonary edema", "present"),
    ("Pulmonary vascular congestion.", "mild pulmonary edema", "present"),
    ("Increased interstitial markings bilaterally.", "interstitial edema", "present"),
    ("Pulmonary edema.", "congestive heart failure", "present"),
    ("Patchy left lower lobe opacity.", "left lower lobe pneumonia", "present"),
    ("Hazy opacity at the right base.", "right basilar atelectasis", "present"),
    ("Streaky opacities at both bases.", "bibasilar atelectasis", "present"),
    ("Low lung volumes.", "bibasilar atelectasis", "present"),
    ("Volume loss in the left lower lobe.", "left lower lobe atelectasis", "present"),
    ("Linear scarring at the left base.", "left basilar atelectasis", "present"),
    ("Discoid atelectasis in the right mid lung.", "scarring in the right mid lung", "present"),
    ("Reticular opacities at the bases.", "interstitial lung disease", "present"),
    ("Enlarged cardiomediastinal silhouette.", "cardiomegaly", "present"),
    ("Left ventricular enlargement.", "cardiomegaly", "present"),
    ("The heart is enlarged.", "enlarged cardiac silhouette", "present"),
    ("Ectatic thoracic aorta.", "aortic enlargement", "present"),
    ("Prominent hila, likely adenopathy.", "hilar enlargement", "present"),
    ("Hilar fullness on the right.", "right hilar lymphadenopathy", "present"),
    ("1 cm mass-like density in the left upper lobe, a nodule.", "left upper lobe mass", "present"),
    ("Calcified nodule in the right upper lobe.", "calcified granuloma in the right upper lobe", "present"),
    ("Calcified hilar lymph nodes.", "prior granulomatous disease", "present"),
    ("Elevated left hemidiaphragm.", "left lung volume loss", "present"),
    ("Wedging of a mid thoracic vertebral body.", "thoracic compression fracture", "present"),
    ("Central venous catheter with tip in the SVC.", "right PICC", "present"),
    ("Feeding tube is seen.", "nasogastric tube", "present"),
    ("Median sternotomy wires.", "status post CABG", "present"),
    ("Clear lungs. Mild degenerative changes of the spine.", "bony structures", "normal"),
    ("Calcified granuloma in the left lung. Otherwise clear.", "focal lung opacity", "absent"),
    ("Bronchial wall thickening.", "airways disease such as asthma", "present"),
]
NO_GRANTS = [
    ("Blunting of the left costophrenic angle.", "right pleural effusion", "present"),
    ("Blunting of the left costophrenic angle. No effusion.", "left pleural effusion", "present"),
    ("Patchy left lower lobe opacity.", "right upper lobe pneumonia", "present"),
    ("Left base opacity without pneumonia.", "left base pneumonia", "present"),
    ("Heart size is normal. Pulmonary vascular congestion.", "cardiomegaly", "present"),
    ("Pulmonary edema.", "pneumonia", "present"),
    ("Pulmonary vascular congestion.", "pleural effusion", "present"),
    ("Cardiomegaly.", "congestive heart failure", "present"),
    ("Cardiomegaly.", "pulmonary edema", "present"),
    ("Low lung volumes.", "pneumonia", "present"),
    ("Hyperinflated lungs.", "pneumothorax", "present"),
    ("Pulmonary nodule in the left upper lobe.", "pneumonia in the left upper lobe", "present"),
    ("Pulmonary nodule in the left upper lobe.", "nodule in the right upper lobe", "present"),
    ("Degenerative changes of the spine.", "compression fracture", "present"),
    ("Degenerative changes of the spine. Old rib fractures. Acute clavicle fracture.", "bones", "normal"),
    ("Small right pleural effusion.", "pleura", "normal"),
    ("Right lower lobe opacity. Calcified granuloma.", "lungs", "clear"),
    ("Tortuous aorta.", "aortic aneurysm", "present"),
    ("Atherosclerosis of the aorta.", "aortic dissection", "present"),
    ("Sternotomy wires.", "pacemaker", "present"),
    ("Endotracheal tube.", "tracheostomy", "present"),
    ("Nasogastric tube.", "endotracheal tube", "present"),
    ("Chest tube on the right.", "left chest tube", "present"),
    ("Pleural effusion.", "pneumothorax", "present"),
    ("Right pneumothorax.", "tension pneumothorax", "present"),
    ("Scoliosis.", "vertebral fracture", "present"),
    ("Healed right rib fractures.", "acute right rib fractures", "present"),
    ("Mild vascular congestion. No edema.", "pulmonary edema", "present"),
    ("Hypoinflated lungs.", "hyperinflation", "present"),
    ("Kyphosis of the spine.", "kyphosis", "absent"),
    ("Emphysema.", "lung volumes", "normal"),
]


@pytest.mark.parametrize(("report", "observation", "status"), GRANTS)
def test_a_radiologist_grants(report: str, observation: str, status: str) -> None:
    finding = Finding(observation=observation, status=status)
    assert RulesJudge("radiologist").verdicts(f"FINDINGS: {report}", [finding])[0].factual


@pytest.mark.parametrize(("report", "observation", "status"), NO_GRANTS)
def test_a_radiologist_grants_not(report: str, observation: str, status: str) -> None:
    finding = Finding(observation=observation, status=status)
    assert RulesJudge("radiologist").verdicts(f"FINDINGS: {report}", [finding])[0].factual is False


HELD = [
    ("The lungs are clear.", "No focal consolidation, effusion or pneumothorax.", True),
    ("The lungs are clear.", "No acute cardiopulmonary process.", True),
    ("The bones are normal.", "No rib fracture.", True),
    ("The pleura is normal.", "No pleural effusion.", True),
    ("Bibasilar atelectasis.", "Streaky bibasilar opacities.", True),
    ("Mild interstitial edema.", "Pulmonary vascular congestion.", True),
    ("Emphysema.", "Hyperinflated lungs.", True),
    ("Right lower lobe pneumonia.", "Right basilar opacity.", True),
    ("The lungs are clear.", "No focal consolidation. There is a nodule in the left lung.", False),
    ("The lungs are clear.", "No pleural effusion.", False),
    ("The heart is normal in size.", "No acute cardiopulmonary process.", False),
    ("Small bilateral pleural effusions.", "Small left pleural effusion.", False),
    ("Right lower lobe pneumonia.", "Left lower lobe opacity.", False),
    ("No pneumothorax.", "Small right pneumothorax.", False),
    ("Cardiomegaly.", "No cardiomegaly. Pulmonary edema.", False),
]


@pytest.mark.parametrize(("reference", "prediction", "held"), HELD)
def test_a_list_holds_what_a_radiologist_would_not_miss(reference: str, prediction: str, held: bool) -> None:
    judge = RulesJudge("radiologist")
    assert judge.contained(judge.extract(reference), judge.extract(prediction)) == [held]
