"""What a denial, a condition or a comparison reaches: conclusions, eliminations, "if", change behind a comma."""

import pytest

from tests.language import read

CONCLUSIONS = [
    # a denial ends where something right is concluded from it
    ("The films do not reveal signs of collapse on the right, suggesting normal lung volumes.",
     ["-atelectasis right", "?normal_lung_volumes"]),
    ("The heart is not enlarged, indicating normal heart size.", ["-cardiomegaly", "+normal_heart"]),
    ("No opacities are seen, consistent with clear lungs.", ["-lung_opacity", "+clear_lungs"]),
    ("No opacities, implying normal lungs.", ["-lung_opacity", "+clear_lungs"]),
    ("No blunting of the angles, which suggests sharp costophrenic angles.",
     ["-costophrenic_angle_blunting", "?sharp_costophrenic_angles"]),
    ("The lack of rib fractures indicates normal ribs.", ["-fracture rib", "+normal_bones rib"]),
    ("There is an opacity, implying pneumonia.", ["+lung_opacity", "+pneumonia"]),
    # and goes on where something wrong is
    ("No opacity suggesting pneumonia.", ["-lung_opacity", "-pneumonia"]),
    ("No interstitial opacity, consistent with edema.", ["-interstitial_opacity", "-edema"]),
    ("No effusion, suggesting normal lung density.", ["-pleural_effusion", "-lung_opacity"]),
    ("The lungs are clear, implying no pneumonia.", ["+clear_lungs", "-pneumonia"]),
    # normal for this is not normal all over
    ("No nodule in the left base, indicating normal findings in this area.", ["-nodule left lung_base"]),
    ("No nodule is seen, confirming normal findings for pneumonia.", ["-nodule", "-pneumonia"]),
    # what is called unlikely is what is wrong
    ("Clear lungs make pneumonia unlikely.", ["+clear_lungs", "-pneumonia"]),
    ("Normal chest is unlikely.", ["-normal_chest"]),
    # nouns that are also words of plans
    ("The scan does not show consolidation.", ["-consolidation"]),
    ("Scan the lungs for consolidation.", []),
    ("The bones have normal density.", ["+normal_bones"]),
]  # fmt: skip

ELIMINATIONS = [
    ("The normal contour eliminates the possibility of mediastinal prominence.", ["-mediastinal_widening"]),
    ("This excludes the possibility of effusion.", ["-pleural_effusion"]),
    ("This rules out the possibility of effusion.", ["-pleural_effusion"]),
    ("The normal heart argues against the possibility of heart failure.", ["+normal_heart", "-heart_failure"]),
    ("The clear angles eliminate the presence of effusion.", ["-pleural_effusion"]),
    ("Clear lungs, eliminating pneumonia.", ["+clear_lungs", "-pneumonia"]),
    ("This negates the possibility of pneumonia.", ["-pneumonia"]),
    ("Effusion has been eliminated.", ["-pleural_effusion"]),
    # not eliminated is possible
    ("This does not eliminate the possibility of pneumonia.", ["?pneumonia"]),
    ("This does not definitively rule out pneumonia.", ["?pneumonia"]),
    ("Pneumonia cannot be completely eliminated.", ["?pneumonia"]),
    ("Pneumonia is not definitively ruled out.", ["?pneumonia"]),
    ("No cardiomegaly, not excluding effusion.", ["-cardiomegaly", "?pleural_effusion"]),
    ("No consolidation, cannot exclude pneumonia.", ["-consolidation", "?pneumonia"]),
    ("This raises the possibility of pneumonia.", ["?pneumonia"]),
    # a purpose states nothing
    ("To eliminate pneumonia, we look at the lungs.", []),
]

CONDITIONS = [
    ("If the image shows flattened diaphragms, it could suggest emphysema.", []),
    ("If opacities were present, this may indicate pneumonia.", []),
    ("If the silhouette extends past half of the chest, this may indicate cardiomegaly.", []),
    ("If the heart is enlarged, cardiomegaly is present.", []),
    ("If the diaphragms are flat then emphysema is likely.", []),
    ("If no consolidation is seen, pneumonia is unlikely.", []),
    ("Emphysema could be present if the diaphragms are flat.", []),
    ("An opacity is seen, which could be pneumonia if consolidation is confirmed.", ["+lung_opacity"]),
    # what stands outside of the condition is stated
    ("The aorta is tortuous, and if the heart is enlarged, this could suggest edema.", ["+tortuous_aorta"]),
    ("If the diaphragms are flat, this could suggest emphysema, but the lungs are clear.", ["+clear_lungs"]),
    # a condition that supposes nothing of the image
    ("If anything, the effusion is larger.", ["+pleural_effusion worsened"]),
    ("If compared with the prior, the effusion is larger.", ["+pleural_effusion worsened"]),
    ("Small effusion, if any.", ["?pleural_effusion mild"]),
    ("No effusion if compared with the prior.", ["-pleural_effusion"]),
    ("If infection is clinically suspected, the left opacity may represent pneumonia.",
     ["+lung_opacity left", "?pneumonia"]),
    ("The opacity could represent pneumonia if the patient has a fever.", ["+lung_opacity", "?pneumonia"]),
    ("This could suggest emphysema.", ["?emphysema"]),
]  # fmt: skip

LISTS = [
    # a degree after a comma begins a statement of its own, as in telegraphic reports; "or" keeps the list together
    ("No pneumothorax, mild bilateral opacities are seen.", ["-pneumothorax", "+lung_opacity bilateral mild"]),
    ("No prominent mediastinum, small left effusion is seen.",
     ["-mediastinal_widening", "+pleural_effusion left mild"]),
    ("No effusion, large pneumothorax, or consolidation.",
     ["-pleural_effusion", "-pneumothorax severe", "-consolidation"]),
]  # fmt: skip

CHANGES = [
    ("Small left effusion, increased since the prior study.", ["+pleural_effusion left mild worsened"]),
    ("Small left effusion, decreased since the prior study.", ["+pleural_effusion left mild improved"]),
    ("Left effusion, slightly increased compared to the previous examination.", ["+pleural_effusion left worsened"]),
    ("Right effusion, diminished in the interval.", ["+pleural_effusion right improved"]),
    ("The consolidation is markedly increased from the prior radiograph.", ["+consolidation worsened"]),
    ("Hiatal hernia, decreased from the prior chest radiograph.", ["+hiatal_hernia improved"]),
    ("Small effusion, which is unchanged.", ["+pleural_effusion mild unchanged"]),
    ("Heart size is increased since the prior study.", ["+cardiomegaly worsened"]),
    # behind an adjective
    ("The heart is severely enlarged, worse than on the prior study.", ["+cardiomegaly severe worsened"]),
    ("The heart is enlarged but stable.", ["+cardiomegaly unchanged"]),
    ("The heart is mildly enlarged and unchanged.", ["+cardiomegaly mild unchanged"]),
    ("The heart is enlarged, which is new since the prior study.", ["+cardiomegaly new"]),
    ("Enlarged heart, unchanged.", ["+cardiomegaly unchanged"]),
    ("The heart and mediastinum are enlarged, unchanged from prior.",
     ["+cardiomegaly unchanged", "+mediastinal_widening unchanged"]),
    # the change of something else
    ("The heart is enlarged, stable mediastinal contours.", ["+cardiomegaly"]),
    ("Mild cardiomegaly, stable mediastinal contours.", ["+cardiomegaly mild"]),
    ("The heart is enlarged, worsening pulmonary edema.", ["+cardiomegaly", "+edema worsened"]),
    ("The heart is enlarged, and the effusion is worse.", ["+cardiomegaly", "+pleural_effusion worsened"]),
    ("Low lung volumes accentuate the heart, which is stable.", ["+hypoinflation"]),
    # no change at all
    ("The right lung markings are increased compared to the left.", ["+interstitial_opacity right"]),
    ("Left opacity, increased density.", ["+lung_opacity left", "+lung_opacity"]),
    ("Increased opacity in the left base.", ["+lung_opacity left lung_base"]),
    ("The aorta is tortuous, which is more evident in the lateral projection.", ["+tortuous_aorta"]),
    ("Lung volumes are decreased since the prior study.", ["+hypoinflation"]),
    ("Left effusion, not increased since the prior study.", ["+pleural_effusion left"]),
    ("Heart size is normal, unchanged.", ["+normal_heart"]),
]  # fmt: skip

TABLE = [*CONCLUSIONS, *ELIMINATIONS, *CONDITIONS, *LISTS, *CHANGES]


@pytest.mark.parametrize(("text", "meaning"), TABLE, ids=[text for text, _ in TABLE])
def test_reaches_as_far_as_it_should(text: str, meaning: list[str]) -> None:
    assert sorted(read(text)) == sorted(meaning)
