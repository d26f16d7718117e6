"""Lines of forms, advice, alternatives, degrees of change, words that only look misspelled: invented, by mechanism.

Every line states what its sentence means, as `tests/language.py` writes it; it was written before it was run.
"""

import pytest

from tests.language import read

HEADED = [  # the side and the place before a colon are those of what follows
    ("Left lung: mild atelectasis, small effusion.", ["+atelectasis left mild", "+pleural_effusion left mild"]),
    ("Right: no fluid.", ["-pleural_effusion right"]),
    ("Left: trace fluid.", ["+pleural_effusion left minimal"]),
    ("Left apex: no pneumothorax.", ["-pneumothorax left lung_apex"]),
    ("Right base: consolidation.", ["+consolidation right lung_base"]),
    ("Left lung: linear atelectasis at the base.", ["+atelectasis left lung_base"]),
    ("Right lung: patchy opacity in the middle lobe.", ["+lung_opacity right middle_lobe"]),
    ("Left hemithorax: pneumothorax, moderate.", ["+pneumothorax left moderate"]),
    ("Lungs: mild edema.", ["+edema mild"]),
    ("Left lung: opacity on the right.", ["+lung_opacity right"]),
    ("Pleura: biapical thickening.", ["+pleural_thickening bilateral"]),
    ("Pleura: no thickening.", ["-pleural_thickening"]),
    (
        "Effusion: stable, left base opacity increasing.",
        ["+pleural_effusion unchanged", "+lung_opacity left lung_base worsened"],
    ),
]
BLANK = [  # what does not apply states nothing
    ("Devices: N/A.", []),
    ("Tubes and lines: not applicable.", []),
    ("Pneumothorax: not evaluated.", []),
    ("Bones: N/A", []),
    ("Effusion: not assessed.", []),
    ("Support devices: not applicable", []),
    ("Pneumonia: ?", ["?pneumonia"]),
    ("Edema: ?.", ["?edema"]),
    ("Effusion: none.", ["-pleural_effusion"]),
    ("Devices: none.", ["-device"]),
]
ALONE = [  # a line is a device where only its state is told
    ("Lines: none.", ["-catheter"]),
    ("No line is present.", ["-catheter"]),
    ("No lines.", ["-catheter"]),
    ("Lines stable.", ["+catheter unchanged"]),
    ("Stable lines.", ["+catheter unchanged"]),
    ("Lines unchanged.", ["+catheter unchanged"]),
    ("Lines: ok.", ["+catheter"]),
    ("A white line is seen.", []),
    ("A thin line crosses the base.", []),
    ("A line of fat.", []),
]
ADVICE = [  # another examination doubts nothing
    ("Nodule, CT suggested.", ["+nodule"]),
    ("Effusion, ultrasound recommended.", ["+pleural_effusion"]),
    ("PICC tip in the azygos vein, repositioning suggested.", ["+picc svc"]),
    ("Consolidation, follow-up advised.", ["+consolidation"]),
    ("Right apical mass, biopsy suggested.", ["+mass right lung_apex"]),
    ("Rib fracture, rib views suggested.", ["+fracture rib"]),
    ("Cardiomegaly, echocardiography suggested.", ["+cardiomegaly"]),
    ("PICC tip in the right atrium - consider withdrawal.", ["+picc atrium"]),
    ("Pneumonia is suggested.", ["?pneumonia"]),
    ("Effusion suggested.", ["?pleural_effusion"]),
]
ALTERNATIVES = [  # each of a list that ends in "or"
    ("Atelectasis, aspiration, or pneumonia.", ["?atelectasis", "?aspiration", "?pneumonia"]),
    (
        "Opacities representing edema, infection, or hemorrhage.",
        ["+lung_opacity", "?edema", "?pneumonia", "?pulmonary_hemorrhage"],
    ),
    ("Opacity: collapse, consolidation or mass.", ["?atelectasis", "?consolidation", "?mass"]),
    ("Collapse and/or consolidation.", ["?atelectasis", "?consolidation"]),
    (
        "Bibasilar opacities, atelectasis, or pneumonia.",
        ["+lung_opacity bilateral lung_base", "?atelectasis", "?pneumonia"],
    ),
    ("No edema, effusion, or pneumonia.", ["-edema", "-pleural_effusion", "-pneumonia"]),
    ("No change in the effusion or atelectasis.", ["+pleural_effusion unchanged", "+atelectasis"]),
    ("Cardiomegaly, edema and effusion.", ["+cardiomegaly", "+edema", "+pleural_effusion"]),
    ("Favor atelectasis over pneumonia.", ["+atelectasis", "?pneumonia"]),
    ("Atelectasis favored over pneumonia.", ["+atelectasis", "?pneumonia"]),
    ("Worrisome for infection, including pneumocystis.", ["?pneumonia", "?pneumonia"]),
]
CHANGED = [  # a degree of change is none of the thing
    ("Mildly increased left effusion.", ["+pleural_effusion left worsened"]),
    ("Small left effusion, significantly decreased.", ["+pleural_effusion left mild improved"]),
    ("Significantly decreased edema.", ["+edema improved"]),
    ("Moderately increased opacities.", ["+lung_opacity worsened"]),
    ("The effusions have markedly decreased.", ["+pleural_effusion improved"]),
    ("Slightly decreased pneumothorax.", ["+pneumothorax improved"]),
    ("Mildly increased interstitial markings.", ["+interstitial_opacity mild"]),
    ("Lung volumes are mildly decreased.", ["+hypoinflation mild"]),
    ("No significantly increased effusion.", ["-pleural_effusion worsened"]),
    ("Opacities that were extensive at admission have nearly cleared.", ["+lung_opacity improved"]),
    ("The opacity has cleared, in keeping with atelectasis.", ["-lung_opacity resolved", "-atelectasis resolved"]),
    ("Cleared right middle lobe atelectasis.", ["-atelectasis right middle_lobe resolved"]),
    ("Right PICC withdrawn.", ["-picc right resolved"]),
]
SPELLED_RIGHT = [  # one letter away from a word of the lexicon, and another word
    ("Medication injection.", []),
    ("Military screening.", []),
    ("No sign of rejection.", []),
    ("Altered function.", []),
    ("Ventral approach.", []),
    ("Confusion.", []),
    ("Swallow study.", []),
    ("Ejection fraction is low.", []),
    ("Asymmetry of the breasts.", []),
    ("Noncalcified nodule.", ["+nodule"]),
    ("Pneumothrax.", ["+pneumothorax"]),
    ("Massive CM.", ["+cardiomegaly severe"]),
    ("2 CM nodule.", ["+nodule 20mm"]),
]
EXPLAINED = [  # scars beside a blunted angle are pleural; what cannot be told has a cause
    ("Blunted left costophrenic angle from scarring.", ["+costophrenic_angle_blunting left", "+pleural_thickening"]),
    ("Blunting of the angle may reflect scar.", ["+costophrenic_angle_blunting", "?pleural_thickening"]),
    ("Right apical opacity, likely scar.", ["+lung_opacity right lung_apex", "+scarring"]),
    ("Heart size cannot be judged because of the left effusion.", ["+pleural_effusion left"]),
    ("Edema not due to failure.", ["+edema", "-heart_failure"]),
    ("No collapse, only faint opacity at the right base.",
     ["-atelectasis", "+lung_opacity right lung_base minimal"]),
    ("Heart partially obscured but likely enlarged.", ["+obscured_heart_contour", "+cardiomegaly"]),
    ("The heart is not enlarged, within normal limits.", ["-cardiomegaly", "+normal_heart"]),
    ("Heart size at the upper limits of normal or mildly enlarged.", ["?cardiomegaly minimal"]),
    ("Clear without infiltrate or effusion heart size normal.", ["-infiltrate", "-pleural_effusion", "+normal_heart"]),
]  # fmt: skip
TABLE = [*HEADED, *BLANK, *ALONE, *ADVICE, *ALTERNATIVES, *CHANGED, *SPELLED_RIGHT, *EXPLAINED]


@pytest.mark.parametrize(("text", "meaning"), TABLE, ids=[text for text, _ in TABLE])
def test_states_no_more_and_no_less(text: str, meaning: list[str]) -> None:
    assert sorted(read(text)) == sorted(meaning)
