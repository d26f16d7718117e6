"""Side, place, degree, number, change and a device's position as compared attributes: report, finding, verdict.

S supported, X supported with a detail that the report does not state, C contradicted, U unmentioned.
"""

import pytest

from cxr.miner.judge import RulesJudge
from cxr.schemas import Finding, Verdict

CHANGE = [
    ("The left effusion has not improved.", "left pleural effusion", "improved", "C"),
    ("Interstitial edema is no better than on Monday.", "pulmonary edema", "improving", "C"),
    ("Bibasilar opacities have not changed.", "basilar opacities", "increased", "C"),
    ("Right effusion, increased since yesterday.", "right pleural effusion", "increased", "S"),
    ("The effusion on the left has gotten smaller.", "left pleural effusion", "enlarging", "C"),
    ("Mild edema, a little better.", "pulmonary edema", "worsened", "C"),
    ("The right apical pneumothorax has grown.", "right pneumothorax", "unchanged", "C"),
    ("Left pneumothorax is unaltered.", "left pneumothorax", "larger", "C"),
    ("Retrocardiac consolidation is more marked than before.", "consolidation", "improving", "C"),
    ("The pneumonia has mostly cleared.", "pneumonia", "unchanged", "C"),
    ("Edema mild, down from moderate.", "pulmonary edema", "worse", "C"),
    ("Right effusion moderate, up from small.", "right pleural effusion", "smaller", "C"),
    ("The heart is enlarged, as before.", "cardiomegaly", "new", "C"),
    ("Left effusion moderate -> small.", "left pleural effusion", "increased", "C"),
    ("Opacities in both lungs, unchanged.", "lung opacities", "improved", "C"),
    ("New right basilar opacity.", "right basilar opacity", "unchanged", "C"),
    ("Elevated right hemidiaphragm, longstanding.", "elevated right hemidiaphragm", "new", "C"),
    ("There is a left effusion. It has increased since the last study.", "left pleural effusion", "decreased", "C"),
    ("The opacity in the right lung has improved.", "right lung opacity", "improved", "S"),
    ("Small left effusion.", "left pleural effusion", "increased", "X"),
    ("Subcutaneous emphysema has decreased.", "subcutaneous emphysema", "increased", "C"),
    ("Cardiomegaly is unchanged.", "cardiomegaly", "increased", "C"),
    ("Left effusion is smaller but persists.", "left pleural effusion", "decreased", "S"),
    ("Enlarging left basilar opacity. Left basilar opacity is again seen.", "left basilar opacity", "stable", "C"),
]

DEGREE = [
    ("The right effusion, formerly moderate, is now small.", "right pleural effusion", "moderate", "C"),
    ("The right effusion, formerly moderate, is now small.", "right pleural effusion", "small", "S"),
    ("Previously large, now small left pneumothorax.", "left pneumothorax", "large", "C"),
    ("Previously large, now small left pneumothorax.", "left pneumothorax", "small", "S"),
    ("Edema was severe and is now mild.", "pulmonary edema", "severe", "C"),
    ("Mild-to-moderate cardiomegaly.", "cardiomegaly", "moderate", "S"),
    ("Mild-to-moderate cardiomegaly.", "cardiomegaly", "severe", "C"),
    ("There is a left effusion, which is moderate to large.", "left pleural effusion", "small", "C"),
    ("Effusions: on the left moderate and on the right trace.", "right pleural effusion", "moderate", "C"),
    ("Effusions: on the left moderate and on the right trace.", "left pleural effusion", "moderate", "S"),
    ("Effusions, moderate on the left and small on the right.", "right pleural effusion", "small", "S"),
    ("Effusions, moderate on the left and small on the right.", "left pleural effusion", "small", "C"),
    ("Right effusion reaccumulating, now moderate.", "right pleural effusion", "small", "C"),
    ("Right effusion unchanged, small.", "right pleural effusion", "large", "C"),
    ("Edema was moderate previously. Edema is mild.", "pulmonary edema", "moderate", "C"),
    ("Right pneumothorax, 8 mm.", "right pneumothorax", "measuring 2 cm", "C"),
    ("A 6 mm nodule in the right lung.", "6 mm right lung nodule", "present", "S"),
    ("A 6 mm nodule in the right lung.", "14 mm right lung nodule", "present", "C"),
    ("Pneumothorax: small, right.", "right pneumothorax", "small", "S"),
    ("Small effusion on the left. Left effusion.", "left pleural effusion", "large", "C"),
]

SIDE = [
    ("Small left effusion. IMPRESSION: Pleural effusion.", "right pleural effusion", "present", "C"),
    ("Hazy opacity at the right base. This may represent atelectasis.", "left basilar atelectasis", "present", "C"),
    ("Mild dextroscoliosis.", "scoliosis", "convex left", "C"),
    ("Levoscoliosis of the thoracic spine.", "scoliosis", "convex to the left", "S"),
    ("Thoracic scoliosis, convex right.", "levoscoliosis", "present", "C"),
    ("The trachea is pushed by a goiter to the right.", "tracheal deviation", "to the right", "S"),
    ("The trachea deviates slightly to the left.", "tracheal deviation", "to the right", "C"),
    ("The mediastinum is shifted to the left.", "mediastinal shift", "to the right", "C"),
    ("Left lung collapse with ipsilateral mediastinal shift.", "mediastinal shift", "to the right", "C"),
    ("Right effusion. Opacity at the contralateral base.", "left basilar opacity", "present", "S"),
    ("Right hemidiaphragm elevated, with an ipsilateral rib fracture.", "left rib fracture", "present", "C"),
    ("Consolidation and atelectasis in the right lower lobe.", "right lower lobe consolidation", "present", "S"),
    ("Consolidation and atelectasis in the right lower lobe.", "left lower lobe consolidation", "present", "C"),
    ("Atelectasis or scar in the left base.", "right basilar scarring", "possible", "C"),
    ("Effusion, right base.", "left pleural effusion", "present", "C"),
    ("Old fractures of the left 4th through 6th ribs.", "right rib fractures", "present", "C"),
    ("Bilateral effusions, larger on the left.", "pleural effusions", "larger on the right", "C"),
    ("Left pleural plaques only.", "bilateral pleural plaques", "present", "C"),
    ("Right pleural effusion and underlying compressive atelectasis.", "left atelectasis", "present", "C"),
    ("Median sternotomy wires.", "left chest wires", "present", "U"),
    ("Right PICC tip in the left brachiocephalic vein.", "left PICC", "present", "C"),
    ("Left subclavian line ends in the right atrium.", "left subclavian line", "present", "S"),
    ("Left subclavian line ends in the right atrium.", "right subclavian line", "present", "C"),
    ("In the left lower lobe are consolidation and an effusion.", "right lower lobe consolidation", "present", "C"),
    ("Minimal hazy opacity along the right lateral lung.", "left lung", "opacity present", "C"),
]

PLACE = [
    ("Nodule in the left mid lung.", "nodule in the lingula", "present", "S"),
    ("Opacity in the right mid lung zone.", "right middle lobe opacity", "present", "S"),
    ("Opacity in the lingula.", "right middle lobe opacity", "present", "C"),
    ("Consolidation of the right middle and lower lobes.", "right middle lobe consolidation", "present", "S"),
    ("Consolidation of the right middle and lower lobes.", "right lower lobe consolidation", "present", "S"),
    ("Consolidation of the right middle and lower lobes.", "right upper lobe consolidation", "present", "C"),
    ("Scarring in both upper and lower lobes.", "lower lobe scarring", "present", "S"),
    ("Opacity in the lower right lung.", "left lower lobe opacity", "present", "C"),
    ("Honeycombing at the bases.", "honeycombing", "apical", "C"),
    ("The right lung is clear apart from a nodule at the apex.", "right apex", "clear", "C"),
    ("Fractures of the left sixth to eighth ribs posteriorly.", "anterior rib fractures", "present", "C"),
    ("Right upper lobe pneumonia.", "right lower lobe pneumonia", "present", "C"),
    ("Right upper lobe opacity. Opacity may be pneumonia.", "right lower lobe opacity", "present", "C"),
    ("Mass in the superior segment of the right lower lobe.", "right lower lobe mass", "present", "S"),
    ("Elevated left hemidiaphragm.", "left diaphragm", "present", "S"),
    ("Elevated left hemidiaphragm.", "right diaphragm", "present", "C"),
]

QUALITY = [
    ("Nondisplaced fracture of the right 7th rib.", "right rib fracture", "displaced", "C"),
    ("Displaced fracture of the left clavicle.", "left clavicle fracture", "displaced", "S"),
    ("Left rib fractures without displacement.", "left rib fractures", "displaced", "C"),
    ("Rib fracture.", "rib fracture", "displaced", "X"),
    ("Loculated right effusion.", "right pleural effusion", "free-flowing", "C"),
    ("Layering right effusion.", "right pleural effusion", "loculated", "C"),
    ("Healed left rib fractures.", "acute rib fracture", "present", "C"),
    ("Acute fracture of the right 5th rib.", "acute rib fracture", "present", "S"),
    ("Nondisplaced rib fracture.", "displaced rib fracture", "not present", "S"),
    ("Bilateral pleural plaques.", "pleural plaques", "confined to the left", "C"),
]

POSITION = [
    ("The ETT tip is 4 cm above the carina.", "endotracheal tube", "in the right main bronchus", "C"),
    ("ET tube in the right mainstem bronchus.", "endotracheal tube tip", "above the carina", "C"),
    ("ET tube in the right mainstem bronchus.", "endotracheal tube", "malpositioned", "S"),
    ("Endotracheal tube 4 cm above the carina.", "endotracheal tube", "too low", "C"),
    ("Endotracheal tube 0.5 cm above the carina.", "endotracheal tube", "well placed", "C"),
    ("NG tube tip in the stomach.", "nasogastric tube", "in the esophagus", "C"),
    ("NG tube tip in the stomach.", "nasogastric tube", "tip below the diaphragm", "S"),
    ("NG tube with the side port at the gastroesophageal junction.", "nasogastric tube", "well positioned", "C"),
    ("Enteric tube coiled in the esophagus.", "enteric tube", "appropriately positioned", "C"),
    ("Left PICC tip: mid SVC, formerly in the azygos vein.", "left PICC tip", "in the azygos vein", "C"),
    ("Left PICC tip: mid SVC, formerly in the azygos vein.", "left PICC tip", "in the superior vena cava", "S"),
    ("Right subclavian line now in the right atrium; it was in the SVC before.", "central line", "tip in the SVC", "C"),
    ("Right IJ line in the SVC.", "right internal jugular line", "malpositioned", "C"),
    ("Right IJ line at the cavoatrial junction.", "right internal jugular line", "tip in the SVC", "S"),
    ("Left drain external to the pleural space.", "left pleural drain", "present", "U"),
    ("Left chest tube external to the pleural space.", "left chest tube", "within the pleural space", "C"),
    ("Feeding tube advanced; the tip is now in the gastric antrum.", "feeding tube tip", "in the esophagus", "C"),
    (
        "The tube that was high yesterday is now well placed: ETT well placed.",
        "endotracheal tube",
        "malpositioned",
        "C",
    ),
    ("Swan-Ganz catheter in the right main pulmonary artery.", "Swan-Ganz catheter", "too distal", "C"),
    ("All devices in satisfactory position.", "support devices", "malpositioned", "C"),
    ("Left PICC.", "left PICC", "tip in the SVC", "X"),
]

ALL = [*CHANGE, *DEGREE, *SIDE, *PLACE, *QUALITY, *POSITION]
VERDICTS = {
    "S": {(Verdict.SUPPORTED, False)},
    "X": {(Verdict.SUPPORTED, True)},
    "C": {(Verdict.CONTRADICTED, False)},
    "U": {(Verdict.UNMENTIONED_ABNORMAL, False)},
}


@pytest.mark.parametrize(("report", "observation", "status", "expected"), ALL)
def test_compares(report: str, observation: str, status: str, expected: str) -> None:
    (judged,) = RulesJudge().verdicts(report, [Finding(observation=observation, status=status)])
    assert (judged.verdict, judged.extra_detail) in VERDICTS[expected], judged.reason
