"""The judge's relations name only what the lexicon knows, and follow from it as a radiologist would."""

from collections.abc import Iterator

import pytest

from cxr.miner.judge.reasons import Reason
from cxr.miner.judge.relations import load_relations, read_table
from cxr.miner.language.lexicon import load_lexicon

RELATIONS = load_relations()
LEXICON = load_lexicon()


def named_concepts() -> Iterator[tuple[str, str]]:
    """Give every concept that the data file names, with the table that names it."""
    table = read_table()
    for group in table["same"]:
        yield from (("same", concept) for concept in group["concepts"])
    for name in (
        *("signs", "hints", "details", "normal_when_denied", "normal_when_all_denied", "ruled_out", "broken_by"),
        *("report_ruled_out", "list_ruled_out", "intact_ruled_out"),
    ):
        for concept, others in table[name].items():
            yield name, concept
            yield from ((name, other) for other in others)
    yield from (("calcified", concept) for pair in table["calcified"].items() for concept in pair)
    for region, changes in table["at_place"].items():
        yield from ((f"at_place.{region}", concept) for pair in changes.items() for concept in pair)
    for kind, concepts in table["kinds"].items():
        yield from ((f"kinds.{kind}", concept) for concept in concepts)
    yield from (("usual_places", concept) for concept in table["usual_places"])


@pytest.mark.parametrize(("table", "concept"), sorted(set(named_concepts())))
def test_every_concept_is_in_the_lexicon(table: str, concept: str) -> None:
    assert concept in LEXICON.concepts, f"{table} names {concept}, which the lexicon does not have"


def test_every_place_and_region_is_in_the_lexicon() -> None:
    table = read_table()
    places = {place for group in table["overlapping_places"] for place in group["places"]}
    places |= {place for usual in table["usual_places"].values() for place in usual}
    assert places <= set(LEXICON.parts)
    regions = {region for group in table["organs"].values() for region in group} | set(table["at_place"])
    assert regions <= set(LEXICON.regions)


def test_nothing_is_a_sign_of_itself() -> None:
    assert not [concept for concept, signs in read_table()["signs"].items() if concept in signs]


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
