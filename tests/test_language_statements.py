"""(Observation, status) pairs as models and people write them."""

import pytest

from cxr.miner.language import read_finding, read_statement
from cxr.miner.language.statements import Polarity
from tests.language import short

PAIRS = [
    ("Pleural effusion or pneumothorax", "not present", ["-pleural_effusion", "-pneumothorax"]),
    ("heart size", "within normal limits", ["+normal_heart"]),
    ("lungs", "clear without focal consolidations", ["+clear_lungs", "-consolidation"]),
    ("Potential lung collapse", "confirmed", ["+atelectasis"]),
    ("Cardiac silhouette", "Not enlarged", ["-cardiomegaly"]),
    ("Mediastinum", "Normal, no widening or shift",
     ["+normal_mediastinum", "-mediastinal_widening", "-mediastinal_shift"]),
    ("Cardiomegaly", "Heart within normal limits; no signs of cardiomegaly", ["+normal_heart", "-cardiomegaly"]),
    ("Size of the heart silhouette", "mild cardiomegaly", ["+cardiomegaly mild"]),
    ("Interstitial opacity at base of left lung", "No evidence of interstitial opacity",
     ["-interstitial_opacity left lung_base"]),
    ("patchy opacity in left lower lobe", "confirmed as atelectasis", ["+atelectasis left lower_lobe"]),
    ("Calcified granulomas", "small bright densities observed", ["+calcified_granuloma mild"]),
    ("Orthopedic hardware", "Present in the left shoulder", ["+orthopedic_hardware left shoulder"]),
    ("Nodule", "possible", ["?nodule"]),
    ("Pneumonia", "cannot be excluded", ["?pneumonia"]),
    ("pulmonary edema", "mild, confirmed", ["+edema mild"]),
    ("Pleural effusion", "excluded", ["-pleural_effusion"]),
    ("large left pneumothorax", "not supported", ["-pneumothorax left severe"]),
    ("Costophrenic angles", "sharp", ["+sharp_costophrenic_angles"]),
    ("Fluid or thickening of the pleural spaces", "Clear", ["+normal_pleura"]),
    ("normal chest X-ray", "not present", ["-normal_chest"]),
    ("Clavicles, ribs, and spine", "no fractures or lesions", ["-fracture", "-bone_lesion"]),
    ("No pneumothorax", "", ["-pneumothorax"]),
    ("Atherosclerosis in aorta", "possible but not the most prominent finding", ["?aortic_atherosclerosis"]),
]  # fmt: skip


@pytest.mark.parametrize(("observation", "status", "meaning"), PAIRS)
def test_pair_means(observation: str, status: str, meaning: list[str]) -> None:
    assert sorted(map(short, read_statement(observation, status).forms)) == sorted(meaning)


@pytest.mark.parametrize(
    ("observation", "status"),
    [
        ("Image quality and positioning", "appropriate"),
        ("Technical quality of X-ray", "Properly positioned and well-exposed"),
        ("Interstitial opacity in left hilum", "Needs detailed examination"),
        ("Size of the cardiac silhouette", "not mentioned"),
        ("Pneumonia", "uncertain"),
        ("elevated right diaphragm", "not applicable in this view"),
    ],
)
def test_status_that_commits_to_nothing(observation: str, status: str) -> None:
    statement = read_statement(observation, status)
    assert not statement.asserts
    assert statement.forms == ()


@pytest.mark.parametrize(
    ("status", "polarity"),
    [
        ("confirmed", Polarity.AFFIRMED),
        ("", Polarity.AFFIRMED),
        ("not apparent", Polarity.DENIED),
        ("unlikely", Polarity.DENIED),
        ("none observed", Polarity.DENIED),
        ("normal", Polarity.NORMAL),
        ("plausible", Polarity.HEDGED),
        ("not provided", Polarity.NOTHING),
    ],
)
def test_polarity_is_known_even_where_the_words_are_not(status: str, polarity: Polarity) -> None:
    assert read_statement("quux of the zyzzyva", status).polarity is polarity


def test_denying_the_status_flips_the_meaning() -> None:
    for concept in ("pneumothorax", "consolidation", "rib fracture", "PICC"):
        (present,) = read_finding(concept, "present").normal_forms
        (absent,) = read_finding(concept, "not present").normal_forms
        assert present.concept == absent.concept
        assert present.presence is not absent.presence
