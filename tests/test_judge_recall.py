"""The rubric's recall section as invented lists: what a list of findings holds, and what it does not."""

import pytest

from cxr.miner.judge import RulesJudge
from tests.judge_world import listed

JUDGE = RulesJudge()


HELD = [
    ("Pleural effusion | not present", "Effusion | absent"),
    ("Cardiomegaly | not present", "Heart size | within normal limits"),
    ("Consolidation | not present", "Lung fields | clear"),
    ("Nodule in the right upper lobe | absent", "Lung fields | clear"),
    ("Calcified granuloma in the right lower lobe | confirmed", "Calcified granuloma in right lower lobe | present"),
    ("Spurring of the thoracic spine | noted", "Osteophytes of thoracic vertebrae | confirmed"),
    ("Left effusion | not present", "Pleural effusion | not present"),
    # The rubric asks for the same observation and status, "side/severity not contradicting".
    ("Pleural effusion | not present", "Left effusion | not present"),
    ("Osteophytes | not present", "Bony structures | intact"),
    ("Emphysema | not present", "Lung fields | clear"),
    ("Right upper lobe consolidation | not present", "Consolidation | excluded"),
    ("Pleural effusion or pneumothorax | not present", "Pneumothorax | absent; Pleural effusion | absent"),
    ("Pneumothorax | not present", "Chest X-ray | normal"),
    ("Rib fracture | not present", "Chest X-ray | normal"),
    ("Cardiomediastinal silhouette | normal", "Cardiomediastinal silhouette | unremarkable"),
    ("Costophrenic angle blunting | absent", "Pleural effusion | not present"),
    ("Opacity in the right lung | present", "Right lower lobe consolidation | present"),
]

NOT_HELD = [
    ("Pleural effusion | not present", "Lung fields | clear"),
    ("Pneumothorax | absent", "Lung fields | clear"),
    ("Pleural effusion | present", "Pleural effusion | not present"),
    ("Left pleural effusion | present", "Right pleural effusion | present"),
    ("Severe cardiomegaly | present", "Mild cardiomegaly | present"),
    ("Pleural effusion or pneumothorax | not present", "Pneumothorax | absent"),
    ("Cardiomegaly | present", "Cardiomegaly | present; Heart size | normal"),
    ("Right effusion | not present", "Left effusion | not present"),
    ("Consolidation | not present", "Lung fields | clear; Right lower lobe consolidation | present"),
    ("Chest X-ray | normal", "Pneumothorax | absent; Heart size | normal"),
    ("Scoliosis | present", ""),
    ("Rib fracture | absent", "Heart size | normal"),
    ("Cardiac silhouette | not provided", "Cardiac silhouette | normal"),
    ("Left effusion | not present", "Right effusion | present"),
]


@pytest.mark.parametrize(("wanted", "within"), HELD)
def test_held(wanted: str, within: str) -> None:
    assert JUDGE.contained(listed(wanted), listed(within)) == [True]


@pytest.mark.parametrize(("wanted", "within"), NOT_HELD)
def test_not_held(wanted: str, within: str) -> None:
    assert JUDGE.contained(listed(wanted), listed(within)) == [False]


def test_every_list_without_contradictions_holds_itself() -> None:
    findings = listed(
        "Small left pleural effusion | present; Cardiomegaly | not present; Lungs | clear; Left PICC | in place;"
        "Degenerative changes of the thoracic spine | mild; Possible atelectasis at the left base | noted"
    )
    plain = [item for item in findings if "Lungs" not in item.observation]
    assert JUDGE.contained(plain, plain) == [True] * len(plain)


def test_answers_keep_order_and_length() -> None:
    assert JUDGE.contained([], listed("Effusion | absent")) == []
    wanted = listed("Effusion | absent; Scoliosis | present; Effusion | absent")
    assert JUDGE.contained(wanted, listed("Effusion | absent")) == [True, False, True]
