"""Side, place, degree, size, number and change of what a report states, against findings that get them right or wrong.

Invented, with their truth written before the judge was asked.
"""

import pytest

from cxr.miner.judge import RulesJudge
from cxr.schemas import Finding, Verdict

TRUE = frozenset({Verdict.SUPPORTED, Verdict.UNMENTIONED_NORMAL})
FINDINGS = [  # what the report says, an observation and its status, whether that is true of it
    ("Right-sided effusion, atelectasis and consolidation.", "right atelectasis", "present", True),
    ("Right-sided effusion, atelectasis and consolidation.", "left atelectasis", "present", False),
    ("Left lung: mild atelectasis, small effusion.", "right pleural effusion", "present", False),
    ("Left lung: mild atelectasis, small effusion.", "left pleural effusion", "small", True),
    ("Right: No fluid. Left: Trace fluid.", "left effusion", "trace", True),
    ("Right: No fluid. Left: Trace fluid.", "right effusion", "present", False),
    ("Moderate right and small left effusions.", "left effusion", "moderate", False),
    ("Moderate right and small left effusions.", "right effusion", "moderate", True),
    ("Effusions: right moderate, left small.", "left effusion", "moderate", False),
    ("Effusions: right moderate, left small.", "right effusion", "small", False),
    ("Bilateral effusions, right greater than left.", "pleural effusions", "larger on the left", False),
    ("Small left effusion, significantly decreased.", "left effusion", "large", False),
    ("Small left effusion, significantly decreased.", "left effusion", "smaller", True),
    ("Small left effusion, significantly decreased.", "left effusion", "increased", False),
    ("Edema has mildly increased.", "pulmonary edema", "improved", False),
    ("Edema has mildly increased.", "pulmonary edema", "worse", True),
    ("Severe edema has improved and is now mild.", "edema", "severe", False),
    ("Severe edema has improved and is now mild.", "edema", "mild", True),
    ("A 9 mm nodule in the right upper lobe.", "nodule in the right upper lobe", "9 mm", True),
    ("A 9 mm nodule in the right upper lobe.", "nodule in the right upper lobe", "3 cm", False),
    ("A 9 mm nodule in the right upper lobe.", "nodule in the right lower lobe", "present", False),
    ("Noncalcified 9 mm nodule in the right upper lobe.", "calcified nodule", "present", False),
    ("Two nodules in the left lung.", "multiple left lung nodules", "present", True),
    ("Solitary nodule in the left lung.", "multiple lung nodules", "present", False),
    ("Acute fractures of the left sixth and seventh ribs.", "left seventh rib fracture", "present", True),
    ("Acute fractures of the left sixth and seventh ribs.", "right rib fractures", "present", False),
    ("Acute fractures of the left sixth and seventh ribs.", "old rib fractures", "present", False),
    ("Healed right clavicle fracture.", "acute right clavicle fracture", "present", False),
    ("ET tube 4 cm above the carina.", "endotracheal tube", "in the right main bronchus", False),
    ("ET tube in the right mainstem bronchus.", "endotracheal tube", "well positioned", False),
    ("Right IJ line tip in the SVC. Left PICC tip in the axillary vein.", "left PICC", "tip in the SVC", False),
    ("Right IJ line tip in the SVC. Left PICC tip in the axillary vein.", "PICC tip", "malpositioned", True),
    ("Left IJ catheter tip in the brachiocephalic vein.", "right IJ catheter", "present", False),
    ("Right subclavian line. No PICC.", "PICC", "present", False),
    ("New right PICC. Right IJ line removed.", "right IJ line", "in place", False),
    ("Left PICC tip in right hemithorax.", "left PICC", "present", True),
    ("Left PICC tip in right hemithorax.", "right PICC", "present", False),
    ("Loculated right effusion.", "right effusion", "free flowing", False),
    ("Biapical scarring.", "scarring at the lung bases", "present", False),
    ("Biapical scarring.", "right apical scarring", "present", True),
    ("Left apical pneumothorax, unchanged.", "left pneumothorax", "new", False),
    ("Left apical pneumothorax, unchanged.", "left pneumothorax", "stable", True),
    ("Left basal pneumothorax.", "left apical pneumothorax", "present", False),
    ("Trachea deviated to the right.", "tracheal deviation", "to the left", False),
    ("Mediastinum shifted toward the left.", "leftward mediastinal shift", "present", True),
    ("Heart mildly enlarged.", "cardiomegaly", "severe", False),
    ("Heart mildly enlarged.", "cardiomegaly", "mild to moderate", True),
    ("Mild to moderate cardiomegaly.", "cardiomegaly", "moderate", True),
    ("Cardiomegaly, previously severe, is now moderate.", "cardiomegaly", "severe", False),
    ("Right upper lobe collapse. Left lung clear.", "left lung opacity", "present", False),
    ("Opacity in the right base and left apex.", "left apical opacity", "present", True),
    ("Opacity in the right base and left apex.", "left basilar opacity", "present", False),
    ("Bibasilar atelectasis, left more than right.", "atelectasis", "worse on the right", False),
    ("Consolidation in the lingula.", "left upper lobe consolidation", "present", True),
    ("Consolidation in the lingula.", "right middle lobe consolidation", "present", False),
    ("Opacity in the superior segment of the right lower lobe.", "right lower lobe opacity", "present", True),
    ("Patchy opacities in both lower zones.", "bilateral lower lobe opacities", "present", True),
    ("Patchy opacities in both lower zones.", "bilateral upper lobe opacities", "present", False),
    ("Pneumothorax on the left measures 2 cm at the apex.", "left apical pneumothorax", "5 mm", False),
    ("Air under the right hemidiaphragm.", "free air", "under the left hemidiaphragm only", False),
    ("Dextroscoliosis.", "scoliosis", "convex to the left", False),
    ("Compression fracture of T8.", "compression fracture", "T12", False),
    ("Chest tube removed, tiny residual pneumothorax.", "chest tube", "in place", False),
    ("Chest tube removed, tiny residual pneumothorax.", "pneumothorax", "resolved", False),
    ("Effusion has resolved.", "pleural effusion", "present", False),
    ("Right lower lobe pneumonia with adjacent effusion.", "right pleural effusion", "present", True),
    ("Right lower lobe pneumonia with adjacent effusion.", "left pleural effusion", "present", False),
    ("In the left upper lobe there are a mass and several nodules.", "left upper lobe nodules", "present", True),
    ("In the left upper lobe there are a mass and several nodules.", "right upper lobe nodules", "present", False),
    ("Right basilar consolidation and effusion.", "left effusion", "present", False),
    ("Atelectasis and effusion at the left base, the right is clear.", "right atelectasis", "present", False),
    ("Nodule at the right base, no longer seen.", "nodule", "present", False),
    ("Heart size upper limits of normal or mildly enlarged.", "heart size", "normal", False),
    ("No displaced rib fracture.", "rib fracture", "displaced", False),
    ("Emphysema, upper lobe predominant.", "emphysema", "lower lobe predominant", False),
    (
        "Pacemaker in left chest wall, leads in right atrium and right ventricle.",
        "right-sided pacemaker",
        "present",
        False,
    ),
    (
        "Pacemaker in left chest wall, leads in right atrium and right ventricle.",
        "left-sided pacemaker",
        "present",
        True,
    ),
    ("Right chest port, tip at cavoatrial junction.", "left chest port", "present", False),
    ("Pneumonia in the right middle and lower lobes.", "right middle lobe pneumonia", "present", True),
    ("Pneumonia in the right middle and lower lobes.", "right upper lobe pneumonia", "present", False),
]


@pytest.mark.parametrize(("report", "observation", "status", "true"), FINDINGS)
def test_a_detail_counts(report: str, observation: str, status: str, true: bool) -> None:
    (judged,) = RulesJudge().verdicts(f"FINDINGS: {report}", [Finding(observation=observation, status=status)])
    assert (judged.verdict in TRUE) is true
