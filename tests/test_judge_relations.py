"""The relations follow from the lexicon as a radiologist would have it; tests/test_pack.py checks the names in them."""

import pytest

from cxr.miner.judge.reasons import Reason
from cxr.miner.judge.relations import load_relations
from cxr.miner.pack import pack

RELATIONS = load_relations()


def test_nothing_is_a_sign_of_itself() -> None:
    assert not [concept for concept, signs in pack().relations.signs.items() if concept in signs]


@pytest.mark.parametrize(
    ("concept", "implied", "reason"),
    [
        ("atelectasis", "lung_opacity", Reason.MORE_GENERAL),
        ("consolidation", "pneumonia", Reason.STATED),
        ("osteophytes", "spondylosis", Reason.STATED),
        ("pleural_effusion", "costophrenic_angle_blunting", Reason.ENTAILED_BY_SIGN),
        ("picc", "device", Reason.MORE_GENERAL),
    ],
)
def test_what_is_present_implies(concept: str, implied: str, reason: Reason) -> None:
    assert implied in RELATIONS.implied_by(concept)
    assert RELATIONS.why_implied(concept, implied) is reason


@pytest.mark.parametrize(
    ("concept", "other"),
    [("lung_opacity", "atelectasis"), ("costophrenic_angle_blunting", "pleural_effusion"), ("scarring", "atelectasis")],
)
def test_what_does_not_follow(concept: str, other: str) -> None:
    assert other not in RELATIONS.implied_by(concept)
