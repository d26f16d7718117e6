"""What the rules engine says of a normal form is read back as that form: concept, side, degree, place, certainty."""

from itertools import product

import pytest

from cxr.miner.language import analyse, load_lexicon
from cxr.miner.mine.engines.nouns import is_plural, plural, with_article
from cxr.miner.mine.engines.wording import describe
from cxr.miner.pack import pack
from cxr.schemas.finding import NormalForm
from cxr.schemas.vocabulary import Certainty, Presence, Severity, Side

LABELED = [concept.id for concept in load_lexicon().concepts.values() if concept.label is not None]
IN_LUNGS = ("lung_base", "lung_apex", "upper_lobe", "lower_lobe", "perihilar", "suprahilar", "retrocardiac")
SIDES = (None, Side.LEFT, Side.RIGHT, Side.BILATERAL)


def _back(form: NormalForm, *, several: bool = False) -> NormalForm:
    text = f"The image shows {with_article(describe(form, several=several))}."
    (mention,) = analyse(text).mentions
    return mention.form


@pytest.mark.parametrize("concept", LABELED)
@pytest.mark.parametrize("several", [False, True])
def test_side_and_degree_come_back(concept: str, *, several: bool) -> None:
    """A device has no degree, a fracture that of its displacement only, and a heart no side."""
    phrases, kind = pack().wording.phrases, load_lexicon().concepts[concept].kind
    graded, sided = kind != "device" and concept not in phrases.ungraded, concept not in phrases.unsided
    for side, severity in product(SIDES, (None, *Severity)):
        form = NormalForm(concept=concept, presence=Presence.PRESENT, side=side, severity=severity)
        back = _back(form, several=several)
        expected = (concept, side if sided else None, severity if graded else None)
        assert (back.concept, back.side, back.severity) == expected, describe(form)


@pytest.mark.parametrize("place", IN_LUNGS)
@pytest.mark.parametrize("concept", ["lung_opacity", "atelectasis", "consolidation", "nodule", "mass", "pneumonia"])
def test_places_and_doubt_come_back(concept: str, place: str) -> None:
    for side, certainty in product(SIDES, Certainty):
        form = NormalForm(
            concept=concept, presence=Presence.PRESENT, side=side, certainty=certainty, locations=(place,)
        )
        back = _back(form)
        assert (back.concept, back.side, back.certainty) == (concept, side, certainty), describe(form)
        assert back.locations == (place,), describe(form)


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("pleural effusion", "a pleural effusion"),
        ("endotracheal tube", "an endotracheal tube"),
        ("atelectasis in the left lower lobe", "atelectasis in the left lower lobe"),
        ("bilateral pleural effusions", "bilateral pleural effusions"),
        ("multiple lung nodules", "multiple lung nodules"),
        ("support devices", "support devices"),
        ("cardiomegaly", "cardiomegaly"),
    ],
)
def test_only_what_is_counted_once_has_an_article(phrase: str, said: str) -> None:
    assert with_article(phrase) == said


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("pneumothorax", "pneumothoraces"),
        ("lung mass in the left base", "lung masses in the left base"),
        ("lung opacity over the left shoulder", "lung opacities over the left shoulder"),
        ("pulmonary edema", "pulmonary edema"),
    ],
)
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many
    assert not is_plural(one)
    assert is_plural(many) == (one != many)
