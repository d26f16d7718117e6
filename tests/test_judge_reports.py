"""Whole invented reports, as a hospital writes them, with findings as different people word them."""

import pytest

from cxr.miner.judge import RulesJudge
from cxr.schemas import Finding, Verdict

S = Verdict.SUPPORTED
C = Verdict.CONTRADICTED
UN = Verdict.UNMENTIONED_NORMAL
UA = Verdict.UNMENTIONED_ABNORMAL
NA = Verdict.NOT_ASSESSABLE

JUDGE = RulesJudge()

AFTER_SURGERY = """\
FINAL REPORT
EXAMINATION: CHEST (PA AND LAT)
INDICATION: ___ year old woman with cough // eval for pneumonia
COMPARISON: Chest radiograph dated ___.
FINDINGS: Compared to the prior study, there has been interval placement of a right-sided PICC line
with tip in the mid SVC. A left-sided dual-chamber pacemaker is again seen with leads terminating in
the right atrium and right ventricle. Median sternotomy wires are intact. The cardiac silhouette
remains moderately enlarged. Small bilateral pleural effusions, left greater than right, are
unchanged, with adjacent compressive atelectasis. Mild pulmonary vascular congestion without overt
edema. No pneumothorax. Patchy retrocardiac opacity could reflect atelectasis or pneumonia. The
previously seen right upper lobe opacity has resolved. Compression deformity of a mid thoracic
vertebral body is of indeterminate age.
IMPRESSION: 1. Unchanged small bilateral pleural effusions. 2. Retrocardiac opacity, atelectasis
versus pneumonia. 3. No pneumothorax.
"""
AFTER_SURGERY_VERDICTS = [
    ("Right PICC line terminating in the SVC", "", S),
    ("There is no pneumothorax.", "", S),
    ("Endotracheal tube", "present", UA),
    ("The patient has a pacemaker", "confirmed", S),
    ("Left chest wall pacemaker", "present", S),
    ("Large bilateral pleural effusions", "present", C),
    ("Bilateral pleural effusions", "present", S),
    ("Right pleural effusion", "present", S),
    ("Right pleural effusion", "not present", C),
    ("No pleural effusion", "", C),
    ("Cardiomegaly", "present", S),
    ("Heart size is normal", "", C),
    ("Severe cardiomegaly", "", C),
    ("Pulmonary edema", "present", C),
    ("Pulmonary edema", "absent", S),
    ("Pulmonary vascular congestion", "mild", S),
    ("Right upper lobe opacity", "present", C),
    ("Retrocardiac opacity", "present", S),
    ("Left lower lobe pneumonia", "possible", S),
    ("Left basilar atelectasis", "present", S),
    ("Vertebral compression fracture", "present", S),
    ("Rib fractures", "none", UN),
    ("Lungs are clear", "", C),
    ("Worsening pleural effusions", "", C),
    ("Pleural effusions are stable", "", S),
    ("Support devices", "present", S),
    ("Prior sternotomy", "present", S),
    ("Nasogastric tube", "absent", UN),
    ("Free air under the diaphragm", "not seen", UN),
    ("Hyperinflated lungs", "present", UA),
    ("Consolidation", "definite", S),
    ("The mediastinum is normal", "", UN),
    ("Patient is rotated", "", NA),
    ("New right PICC", "", S),
]

PORTABLE = """\
FINDINGS: AP portable upright view of the chest. There is persistent elevation of the right
hemidiaphragm. Lung volumes are low, accentuating the bronchovascular markings. No focal
consolidation is seen, although the left base is not well evaluated. There is no large effusion or
pneumothorax. Tip of the endotracheal tube is 4 cm above the carina. The NG tube courses below the
diaphragm with its tip out of view. Heart size is top normal. Calcifications are seen at the aortic
arch. Bony structures are intact. IMPRESSION: Low lung volumes, otherwise unremarkable.
"""
PORTABLE_VERDICTS = [
    ("Low lung volumes", "present", S),
    ("Lungs are well inflated", "", C),
    ("Endotracheal tube in appropriate position", "", S),
    ("NG tube", "present", S),
    ("Endotracheal tube", "absent", C),
    ("Pleural effusion", "none", S),
    ("Small left pleural effusion", "present", UA),
    ("Aortic calcification", "present", S),
    ("Atherosclerosis of the aorta", "yes", S),
    ("Cardiomegaly", "no", S),
    ("Enlarged heart", "", C),
    ("Rib fracture", "absent", S),
    ("Elevated right hemidiaphragm", "", S),
    ("Elevated left hemidiaphragm", "", C),
    ("Pneumonia", "negative", S),
    ("Pneumothorax", "small apical", C),
    ("Chest tube", "in place", UA),
    ("Interstitial edema", "", UA),
    ("Scoliosis", "", UA),
    ("Degenerative changes", "absent", S),
    ("Clear lungs", "", UN),
    ("Emphysema", "-", UA),
]

FOLLOW_UP = """\
IMPRESSION: Interval resolution of right lower lobe pneumonia. Stable 8 mm left upper lobe nodule.
Mild interstitial pulmonary edema, improved. Trace right effusion has decreased. Biapical pleural
thickening. Hiatal hernia. Old left rib fractures. S/P CABG.
"""
FOLLOW_UP_VERDICTS = [
    ("Right lower lobe pneumonia", "present", C),
    ("Right lower lobe pneumonia", "resolved", S),
    ("Pneumonia", "absent", S),
    ("Left upper lobe nodule", "present", S),
    ("Lung nodule", "absent", C),
    ("Pulmonary nodule in the right upper lobe", "present", C),
    ("Pulmonary edema", "present", S),
    ("Pulmonary edema has worsened", "", C),
    ("Right pleural effusion", "small", S),
    ("Large right effusion", "", C),
    ("Left pleural effusion", "", C),
    ("Pleural thickening", "", S),
    ("Hiatal hernia", "not present", C),
    ("Healed rib fractures", "present", S),
    ("Right rib fractures", "", C),
    ("Lungs clear", "", C),
    ("Nodule measures 8 mm", "", S),
]

CASES = [
    pytest.param(report, *case, id=f"{name}: {case[0]}, {case[1]}")
    for name, report, cases in [
        ("after surgery", AFTER_SURGERY, AFTER_SURGERY_VERDICTS),
        ("portable", PORTABLE, PORTABLE_VERDICTS),
        ("follow-up", FOLLOW_UP, FOLLOW_UP_VERDICTS),
    ]
    for case in cases
]


@pytest.mark.parametrize(("report", "observation", "status", "expected"), CASES)
def test_whole_reports(report: str, observation: str, status: str, expected: Verdict) -> None:
    answer = JUDGE.verdicts(report, [Finding(observation=observation, status=status)])[0]
    assert answer.verdict is expected, answer.reason
    for quote in answer.evidence:
        assert report[quote.start : quote.end] == quote.text
