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
SIGNS = [  # likewise, after the glossaries of the Fleischner Society
    ("Free air outlines the undersurface of the right dome.", "Pneumoperitoneum"),
    ("Both sides of the bowel wall are visible.", "Free intraperitoneal air"),
    ("Lucency between the liver and the diaphragm.", "Free air under the diaphragm"),
    ("CTR 0.58.", "Cardiomegaly"),
    ("The cardiothoracic ratio measures 60 %.", "Enlarged heart"),
    ("Transverse heart diameter 17 cm in a 30 cm thorax, ratio 0.57.", "Cardiomegaly"),
    ("The right base shows a meniscus-shaped opacity.", "Right pleural effusion"),
    ("Dense opacity at the left base with a meniscus laterally.", "Left pleural effusion"),
    ("Fluid blunts the right costophrenic angle.", "Right pleural effusion"),
    ("The posterior sulcus on the lateral view is blunted.", "Blunted costophrenic angle"),
    ("The left angle is no longer sharp.", "Costophrenic angle blunting"),
    ("Fluid tracks along the horizontal fissure.", "Pleural effusion"),
    ("There is flow inversion with upper lobe veins larger than those at the bases.", "Cephalization"),
    ("Upper lobe vessels are distended.", "Vascular redistribution"),
    ("Pulmonary vascular markings are cephalized.", "Pulmonary venous congestion"),
    ("Short horizontal lines reach the pleura at both lung bases.", "Kerley B lines"),
    ("Thin perpendicular lines extend to the pleural surface at the costophrenic angles.", "Septal lines"),
    ("Thickened interlobular septa at the bases.", "Kerley lines"),
    ("Butterfly-shaped perihilar opacities.", "Pulmonary edema"),
    ("Bilateral central airspace opacities in a bat's wing distribution.", "Pulmonary edema"),
    ("Peribronchial cuffing and hazy vessel margins.", "Peribronchial thickening"),
    ("The left costophrenic angle is abnormally deep and lucent on this supine film.", "Left pneumothorax"),
    ("The deep sulcus sign is present on the right.", "Right pneumothorax"),
    ("A hairline edge of lung is separated from the ribs by 2 cm.", "Pneumothorax"),
    ("Absent lung markings lateral to a thin line at the left apex.", "Left pneumothorax"),
    ("Double density along the right heart border.", "Left atrial enlargement"),
    ("A double right heart border is seen with splaying of the carina.", "Enlarged left atrium"),
    ("The thymus is lifted by air like a spinnaker sail.", "Pneumomediastinum"),
    ("Lucent streaks outline the aortic arch and trachea.", "Pneumomediastinum"),
    ("The diaphragm is seen continuously across the midline below the heart.", "Pneumomediastinum"),
    ("The right heart border is silhouetted.", "Obscured heart border"),
    ("Loss of the left hemidiaphragm contour behind the heart.", "Obscured hemidiaphragm"),
    ("Left lower lobe opacity with silhouette sign of the diaphragm.", "Lung opacity"),
    ("Linear bands parallel to the diaphragm at the bases.", "Atelectasis"),
    ("The minor fissure is elevated with increased density above it.", "Displaced fissure"),
    ("The left lung has shrunk toward the hilum, the mediastinum is drawn across.", "Mediastinal shift"),
    ("The trachea is deviated toward the left.", "Tracheal deviation"),
    ("Both hemidiaphragms are flat and low.", "Hyperinflation"),
    ("Eleven posterior ribs are visible above the diaphragm.", "Hyperinflation"),
    ("Ring-like shadows and parallel lines in the right lower lobe.", "Bronchiectasis"),
    ("Finger-in-glove opacities in the left upper lobe.", "Mucus plugging"),
    ("Flask-shaped enlargement of the cardiac silhouette.", "Pericardial effusion"),
    ("The mediastinum measures 9 cm at the level of the arch and is wide.", "Widened mediastinum"),
    ("Loss of vertebral height at T12.", "Vertebral compression"),
    ("Step-off in the cortex of the right fourth rib.", "Rib fracture"),
    ("Lateral curve of the thoracic spine, convex right.", "Scoliosis"),
    ("The left hemidiaphragm is two interspaces higher than the right.", "Elevated left hemidiaphragm"),
    ("Striated lucencies in the pectoral muscles.", "Subcutaneous emphysema"),
    ("Opacity with an air crescent in the left apex.", "Aspergilloma"),
    ("A gas-filled structure with a fluid level lies behind the heart.", "Hiatal hernia"),
    ("Innumerable tiny 2 mm nodules throughout both lungs.", "Miliary nodules"),
    ("Homogeneous opacity of the right lung with air bronchograms.", "Consolidation"),
    ("The pulmonary arteries are large centrally with abrupt tapering.", "Enlarged pulmonary arteries"),
    ("The ribs are crowded on the left.", "Volume loss"),
    ("Calcified rind along the left pleura.", "Pleural calcification"),
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


@pytest.mark.parametrize(("report", "name"), [*PAIRS, *SIGNS])
def test_a_description_is_its_name(report: str, name: str) -> None:
    assert verdict(report, name, "present") is Verdict.SUPPORTED
    assert verdict(report, name, "not present") is Verdict.CONTRADICTED


@pytest.mark.parametrize(("report", "name"), NORMALS)
def test_a_described_normal_rules_out_the_name(report: str, name: str) -> None:
    assert verdict(report, name, "not present") is Verdict.SUPPORTED
    assert verdict(report, name, "present") is Verdict.CONTRADICTED
