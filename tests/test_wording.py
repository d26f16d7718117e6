"""What the rules engine says of a normal form is read back as that form: concept, side, degree, place, certainty."""

from collections.abc import Iterator
from itertools import permutations, product

import pytest

from cxr.miner.language import analyse, load_lexicon
from cxr.miner.mine.engines.nouns import enumerated, is_plural, named_as, noun_of, plural, with_article
from cxr.miner.mine.engines.voice import Voice
from cxr.miner.mine.engines.wording import describe
from cxr.miner.mine.unquoted import unquoted
from cxr.miner.pack import pack
from cxr.miner.pack.wording import Weighing
from cxr.schemas.finding import NormalForm
from cxr.schemas.vocabulary import Certainty, Change, Presence, Severity, Side

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


# --- the sentences of the pack, as the judge reads them --------------------------------------------------------------

SAID, SIGNS = pack().wording.sentences, pack().signs


def _presences(text: str) -> list[Presence]:
    return [form.presence for found in analyse(text).findings for form in found.normal_forms]


def _sought() -> Iterator[str]:
    """Give every sentence on what is looked for, with every finding, its signs, and the regions."""
    for number, (finding, signs) in enumerate(SIGNS.items()):
        name, after = named_as(finding), named_as(list(SIGNS)[number - 1])
        lists = [*signs.look_for, enumerated(signs.signs, "or"), enumerated(signs.signs[::-1], "or")]
        for wording, look_for in product((*SAID.open_binary, *SAID.open_temporal), lists):
            search = SAID.search[0].format(finding=name, look_for=look_for)
            yield wording.format(finding=name, look_for=look_for, search=search)
        pairs = [
            SAID.sought[0].format(finding=name, look_for=" or ".join(pair)) for pair in permutations(signs.signs, 2)
        ]
        for wording in SAID.in_region:
            yield wording.format(region=signs.region, looked_for=f"{name} and {after}", seen="")
        yield from (
            SAID.in_region[0].format(region=signs.region, looked_for=f"{pair} and {pair}", seen="") for pair in pairs
        )
        yield from signs.where
    for wording, region in product(SAID.in_region, pack().regions.values()):
        yield wording.format(region=region.read_in, looked_for=region.look_for, seen="")
    names = enumerated([named_as(finding) for finding in SIGNS])
    yield from (wording.format(findings=names) for wording in SAID.open_options)
    yield from SAID.open_anomaly


def test_what_is_looked_for_asserts_nothing_in_any_wording() -> None:
    assert [said for said in _sought() if _presences(said)] == []


DENYING = ("not_seen", "no_sign", "none_of", "close_no", "gone")
AFFIRMING = ("shows", "close_yes", "close_options", "close_anomaly", "told", "fits", "shown_as")


@pytest.mark.parametrize("key", [*DENYING, *AFFIRMING])
def test_a_sentence_says_of_a_finding_that_it_is_there_or_not_and_nothing_else(key: str) -> None:
    expected = [Presence.ABSENT if key in DENYING else Presence.PRESENT]
    for wording, finding in product(getattr(SAID, key), SIGNS):
        name = noun_of(finding) if key in {"not_seen", "none_of", "gone"} else named_as(finding)
        said = wording.format_map(dict.fromkeys(("finding", "findings", "seen"), name) | {"answer": "Yes"})
        assert _presences(said) == expected, said


@pytest.mark.parametrize("wording", SAID.normal)
def test_what_is_normal_and_all_that_it_rules_out_are_read(wording: str) -> None:
    said = wording.format(
        normal="clear lungs and normal pleural spaces", finding="pneumonia, edema or pleural effusion"
    )
    assert sorted(_presences(said)) == [*[Presence.ABSENT] * 3, *[Presence.PRESENT] * 2], said


@pytest.mark.parametrize("rule", pack().wording.weighing, ids=lambda rule: f"{rule.finding}-{rule.other}")
def test_what_is_weighed_states_the_other_finding_and_no_attribute(rule: Weighing) -> None:
    for said in rule.say:
        assert set(_presences(said)) == {rule.other_presence}, said
        assert not unquoted(said, ()), said


# "Which was not there on the reference image" is not yet read as something new.
@pytest.mark.parametrize("change", sorted(set(pack().wording.changes) - {Change.NEW}))
def test_a_change_is_read_as_it_is_said(change: Change) -> None:
    for wording, (finding, one) in product(SAID.changed, (("small left pneumothorax", 0), ("pleural effusions", 1))):
        said = wording.format(seen=with_article(finding), change=pack().wording.changes[change][one])
        (form,) = [form for found in analyse(said).findings for form in found.normal_forms]
        assert (form.presence, form.change) == (Presence.PRESENT, change), said


def test_a_draw_is_the_same_for_a_question_and_a_seed_and_differs_between_them() -> None:
    wordings = [str(number) for number in range(8)]
    voices = [Voice(question, seed) for question in ("q1", "q2", "q3") for seed in (0, 1, 2)]
    drawn = [[voice.say(wordings, "close"), *voice.some(wordings, "signs", 4)] for voice in voices]
    assert drawn == [[voice.say(wordings, "close"), *voice.some(wordings, "signs", 4)] for voice in voices]
    assert len(set(map(tuple, drawn))) == len(voices)
    assert {voice.say(wordings, "close", turn) for voice in voices[:1] for turn in range(8)} == set(wordings)
    assert {Voice(question, None).say(wordings, "close", 3) for question in ("q1", "q2")} == {"0"}
