"""A description and the name of what it describes are the same to the judge: invented sentences, after Felson."""

import pytest

from cxr.miner.judge import RulesJudge
from cxr.schemas import Finding, Verdict

PAIRS = [  # what the report says, the name of it
    ("Air is seen beneath the right hemidiaphragm.", "Pneumoperitoneum"),
    ("A lucent crescent lies under the left hemidiaphragm.", "Free air"),
    ("Free gas is present below the diaphragm.", "Pneumoperitoneum"),
    ("The cardiothoracic ratio is 0.63.", "Cardiomegaly"),
    ("The heart occupies more than half of the thoracic width.", "Enlarged heart"),
    ("The transverse cardiac diameter exceeds half the width of the chest.", "Cardiomegaly"),
    ("Heart is bigger than normal.", "Cardiomegaly"),
    ("There is a meniscus at the right base.", "Right pleural effusion"),
    ("Fluid layers along the left lateral chest wall on the decubitus view.", "Left pleural effusion"),
    ("There is fluid in the minor fissure.", "Pleural effusion"),
    ("The left costophrenic angle is filled in by fluid.", "Pleural effusion"),
    ("The right costophrenic sulcus is blunted.", "Costophrenic angle blunting"),
    ("The left costophrenic angle is obscured.", "Blunted costophrenic angle"),
    ("A visceral pleural line is visible with no lung markings beyond it.", "Pneumothorax"),
    ("The right lung edge is separated from the chest wall by air.", "Pneumothorax"),
    ("Air in the left pleural space.", "Left pneumothorax"),
    ("The left costophrenic sulcus is deep and lucent on this supine film.", "Pneumothorax"),
    ("Upper zone vessels are larger than lower zone vessels, with cephalization.", "Vascular congestion"),
    ("Vessel margins are blurred.", "Pulmonary vascular congestion"),
    ("Pulmonary vessels are engorged.", "Vascular congestion"),
    ("Perihilar bat-wing opacities.", "Pulmonary edema"),
    ("Kerley B lines are present.", "Interstitial thickening"),
    ("Plate-like bands at both bases.", "Atelectasis"),
    ("The left lower lobe has collapsed.", "Atelectasis"),
    ("Triangular retrocardiac density with volume loss.", "Volume loss"),
    ("The diaphragms are flattened.", "Hyperinflation"),
    ("The retrosternal airspace is enlarged.", "Hyperinflation"),
    ("Both lungs are over-expanded.", "Hyperinflation"),
    ("Tram-track lines in the lower lobes.", "Bronchiectasis"),
    ("Dilated, thick-walled bronchi in the middle lobe.", "Bronchiectasis"),
    ("The heart has a water-bottle shape.", "Pericardial effusion"),
    ("The aorta is unfolded.", "Tortuous aorta"),
    ("Calcium outlines the aortic knob.", "Aortic atherosclerosis"),
    ("The superior mediastinum is wide.", "Mediastinal widening"),
    ("The trachea is pushed to the right.", "Tracheal deviation"),
    ("The mediastinal structures are shifted to the left.", "Mediastinal shift"),
    ("T9 has lost height anteriorly.", "Vertebral deformity"),
    ("Wedge-shaped T8 vertebral body.", "Vertebral deformity"),
    ("There is a break in the cortex of the left sixth rib.", "Rib fracture"),
    ("The thoracic spine curves to the right.", "Scoliosis"),
    ("The bones are demineralized.", "Osteopenia"),
    ("Bony spurs along the thoracic spine.", "Degenerative changes"),
    ("The right hemidiaphragm sits higher than expected.", "Elevated right hemidiaphragm"),
    ("Gas tracks through the soft tissues of the left chest wall.", "Subcutaneous emphysema"),
    ("Air outlines the mediastinum.", "Pneumomediastinum"),
    ("A thick-walled lucent lesion with an air-fluid level in the right upper lobe.", "Cavitary lesion"),
    ("A 9 mm round density projects over the left mid lung.", "Lung nodule"),
    ("Both hila are bulky.", "Hilar enlargement"),
    ("The stomach lies above the diaphragm.", "Hiatal hernia"),
    ("Honeycomb pattern at the bases.", "Pulmonary fibrosis"),
    ("Complete whiteout of the left lung.", "Lung opacity"),
    ("Lung volumes are low.", "Hypoinflation"),
    ("The inspiratory effort is shallow.", "Low lung volumes"),
]
NORMALS = [  # what the report says, what it rules out
    ("The cardiothoracic ratio is 0.44.", "Cardiomegaly"),
    ("The heart takes up less than half of the thorax.", "Cardiomegaly"),
    ("Costophrenic angles are deep and sharp.", "Pleural effusion"),
    ("The pleural recesses are dry.", "Pleural effusion"),
    ("No air under the diaphragm.", "Pneumoperitoneum"),
    ("No meniscus is seen.", "Pleural effusion"),
    ("No pleural line is seen at either apex.", "Pneumothorax"),
    ("Neither pleural space contains air.", "Pneumothorax"),
    ("The mediastinum is of normal width.", "Widened mediastinum"),
    ("The trachea is central.", "Tracheal deviation"),
    ("The mediastinum is central.", "Mediastinal shift"),
    ("The hemidiaphragms are sharp.", "Obscured hemidiaphragm"),
    ("The heart borders are sharp.", "Obscured heart border"),
    ("Ribs are intact.", "Rib fracture"),
    ("The lungs are free of focal opacity.", "Lung opacity"),
]


def verdict(report: str, observation: str, status: str) -> Verdict:
    """Return the verdict on one finding."""
    (judged,) = RulesJudge().verdicts(f"FINDINGS: {report}", [Finding(observation=observation, status=status)])
    return judged.verdict


@pytest.mark.parametrize(("report", "name"), PAIRS)
def test_a_description_is_its_name(report: str, name: str) -> None:
    assert verdict(report, name, "present") is Verdict.SUPPORTED
    assert verdict(report, name, "not present") is Verdict.CONTRADICTED


@pytest.mark.parametrize(("report", "name"), NORMALS)
def test_a_described_normal_rules_out_the_name(report: str, name: str) -> None:
    assert verdict(report, name, "not present") is Verdict.SUPPORTED
    assert verdict(report, name, "present") is Verdict.CONTRADICTED
