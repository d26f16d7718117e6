"""What lists of findings hold: a clear lung and its neighbours, examples, and lists that contradict themselves."""

import pytest

from cxr.miner.judge import RulesJudge
from tests.judge_world import listed

JUDGE = RulesJudge()


HELD = [
    # a clear lung
    ("Pneumonia | absent", "Lungs | clear"),
    ("Bronchiectasis | not seen", "Lung fields | clear"),
    ("Pulmonary edema | not present", "Lung fields | clear"),
    ("COPD | absent", "Lungs | clear"),
    ("Lung mass | not identified", "Lungs | clear"),
    ("Hyperlucency | absent", "Lungs | clear"),
    # a normal chest is more
    ("Hyperinflation | not present", "Chest X-ray | normal"),
    ("Hilar enlargement | not present", "Chest X-ray | normal"),
    # examples need not be named again
    ("Interstitial lung disease such as edema or fibrosis | not present", "Interstitial lung disease | absent"),
    ("Degenerative changes such as osteophytes | present", "Degenerative changes | present"),
    ("Lung opacities, including nodules | absent", "Lung opacity | not present"),
    ("Support devices like pacemakers | not present", "Support devices | absent"),
    # where the general word says nothing, the examples are what is meant
    ("Abnormalities such as effusion or pneumothorax | not present",
     "Pleural effusion | not present; Pneumothorax | absent"),
    # old marks do not make a lung unclear
    ("Lung fields | clear", "Lung fields | clear; Calcified granuloma | present"),
    ("Left effusion | present", "Left pleural effusion | present; Right pleural effusion | not present"),
]  # fmt: skip

NOT_HELD = [
    ("Hyperinflation | not present", "Lung fields | clear"),
    ("Hypoinflation | absent", "Lungs | clear"),
    ("Lung volumes | normal", "Lungs | clear"),
    ("Vascular congestion | not present", "Lung fields | clear"),
    ("Pulmonary vasculature | normal", "Lung fields | clear"),
    ("Hilar calcification | absent", "Lungs | clear"),
    ("Hilar lymphadenopathy | absent", "Lung fields | clear"),
    ("Cardiomegaly | not present", "Lung fields | clear"),
    ("Heart failure | absent", "Lungs | clear"),
    ("Pleural thickening | absent", "Lungs | clear"),
    ("Abnormalities such as effusion or pneumothorax | not present", "Pleural effusion | not present"),
    # a list that says both holds neither
    ("Heart size | normal", "Heart size | normal; Cardiomegaly | present"),
    ("Lung fields | clear", "Lung fields | clear; Right lower lobe consolidation | present"),
    ("Costophrenic angles | sharp", "Costophrenic angles | sharp; Costophrenic angle blunting | present"),
    ("Pneumothorax | not present", "Chest X-ray | normal; Left pneumothorax | present"),
    ("Pleural effusion | present", "Pleural effusion | not present; Small left pleural effusion | present"),
    ("Consolidation | not present", "Consolidation | not present; Pneumonia | present"),
]


@pytest.mark.parametrize(("wanted", "within"), HELD)
def test_held(wanted: str, within: str) -> None:
    assert JUDGE.contained(listed(wanted), listed(within)) == [True]


@pytest.mark.parametrize(("wanted", "within"), NOT_HELD)
def test_not_held(wanted: str, within: str) -> None:
    assert JUDGE.contained(listed(wanted), listed(within)) == [False]
