"""Statuses in the words of language models: what "deviates from normal", "not overly pronounced" say of a finding."""

import pytest

from cxr.miner.language.statements import read_statement
from tests.language import short

STATUSES = [
    # something is wrong
    ("heart size", "deviates from normal", ["+cardiac_abnormality"]),
    ("heart size", "exceeds normal limits", ["+cardiomegaly"]),
    ("cardiac silhouette", "larger than expected", ["+cardiomegaly"]),
    ("lung opacity", "raises concern for its presence", ["?lung_opacity"]),
    ("pneumonia", "raises concern", ["?pneumonia"]),
    ("pneumonia", "cannot be dismissed", ["?pneumonia"]),
    ("pleural effusion", "strongly suggested", ["?pleural_effusion"]),
    ("pleural effusion", "is what the image points to", ["+pleural_effusion"]),
    ("atelectasis", "a leading consideration", ["?atelectasis"]),
    ("cardiomegaly", "evident upon measurement", ["+cardiomegaly"]),
    ("scoliosis", "appreciable on the frontal view", ["+scoliosis"]),
    ("calcified granuloma", "aligns with the observations", ["+calcified_granuloma"]),
    ("calcified granuloma", "the correct finding", ["+calcified_granuloma"]),
    ("tortuous aorta", "best matches the image", ["+tortuous_aorta"]),
    ("vertebral compression fracture", "mild, age indeterminate", ["+compression_fracture spine mild"]),
    ("pneumonia", "less likely but possible", ["?pneumonia"]),
    ("aspiration", "not entirely discounted", ["?aspiration"]),
    ("heart size", "slightly above normal", ["+cardiomegaly"]),
    # nothing is wrong
    ("pleural effusion", "consistent with the absence of fluid", ["-pleural_effusion"]),
    ("pleural effusion", "consistent with absence", ["-pleural_effusion"]),
    ("pneumothorax", "no indication", ["-pneumothorax"]),
    ("pneumothorax", "not apparent on this image", ["-pneumothorax"]),
    ("pneumothorax", "does not appear", ["-pneumothorax"]),
    ("consolidation", "fails to be demonstrated", ["-consolidation"]),
    ("consolidation", "free of", ["-consolidation"]),
    ("interstitial markings", "not overly pronounced", ["-interstitial_marking"]),
    ("interstitial markings", "not exaggerated", ["-interstitial_marking"]),
    ("cardiomegaly", "does not meet criteria", ["-cardiomegaly"]),
    ("cardiomegaly", "not met", ["-cardiomegaly"]),
    ("cardiomegaly", "discounted", ["-cardiomegaly"]),
    ("hiatal hernia", "does not align with the observations", ["-hiatal_hernia"]),
    ("rib fracture", "contradicted by the image", ["-fracture rib"]),
    ("nodule", "none discernible", ["-nodule"]),
    ("nodule", "not a feature of this image", ["-nodule"]),
    ("emphysema", "highly unlikely", ["-emphysema"]),
    ("edema", "unlikely given the clear lungs", ["-edema"]),
    ("pneumothorax", "undetected", ["-pneumothorax"]),
    ("pneumothorax", "nonexistent", ["-pneumothorax"]),
    ("pleural effusion", "ruled out by sharp angles", ["-pleural_effusion"]),
    ("cardiomegaly", "can therefore be excluded", ["-cardiomegaly"]),
    ("atelectasis", "does not match the image", ["-atelectasis"]),
    # something is right
    ("trachea", "centrally positioned", ["+midline_trachea"]),
    ("heart size", "appears within expected limits", ["+normal_heart"]),
    ("heart size", "falls within the normal range", ["+normal_heart"]),
    ("lung fields", "appear unobstructed", ["+clear_lungs"]),
    ("lungs", "free of abnormality", ["-lung_abnormality"]),
    ("mediastinum", "no deviation from normal", ["+normal_mediastinum"]),
    ("mediastinal contours", "maintain a normal configuration", ["+normal_mediastinum"]),
    ("costophrenic angles", "preserved and sharp", ["+sharp_costophrenic_angles"]),
    ("pulmonary vasculature", "of expected caliber", ["+normal_vasculature"]),
    ("diaphragm", "smooth and well defined", ["+normal_diaphragm"]),
    ("bones", "show no irregularities", ["-bone_abnormality"]),
    # nothing is said
    ("pneumonia", "to be considered", []),
    ("pneumonia", "remains to be seen", []),
    ("pleural effusion", "requires closer inspection", []),
    ("nodule", "looked for", []),
    ("pneumonia", "depends on the clinical setting", []),
    ("pneumothorax", "assessment limited", []),
    ("cardiomegaly", "listed as an option", []),
]  # fmt: skip


@pytest.mark.parametrize(("observation", "status", "meaning"), STATUSES, ids=[f"{o}: {s}" for o, s, _ in STATUSES])
def test_a_status_says(observation: str, status: str, meaning: list[str]) -> None:
    assert [short(form) for form in read_statement(observation, status).forms] == meaning
