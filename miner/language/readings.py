"""What a sentence states in normal form, and what becomes of that which it only seeks."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from cxr.miner.language.answers import Answer
from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Lexicon, load_lexicon
from cxr.schemas import Certainty, Change, NormalForm, Presence, Severity, Side


class Reading(NamedTuple):
    """A normal form with character offsets in its sentence: the mention, and the words that make its meaning."""

    form: NormalForm
    start: int
    end: int
    clause_start: int
    clause_end: int
    hedge: str = ""
    """Why it is uncertain: possible, alternative ("or", "versus") or borderline; empty where it is certain."""


@lru_cache(maxsize=65_536)
def normal_form(
    concept: str,
    presence: Presence,
    certainty: Certainty,
    locations: tuple[str, ...],
    side: Side | None,
    severity: Severity | None,
    size_mm: float | None,
    number: str | None,
    change: Change | None,
    qualities: tuple[str, ...] = (),
) -> NormalForm:
    """Return one shared normal form for equal values: they are frozen, and texts repeat themselves."""
    return NormalForm(
        concept=concept, presence=presence, certainty=certainty, locations=locations, side=side,
        severity=severity, size_mm=size_mm, number=number, change=change, qualities=qualities,
    )  # fmt: skip


class Sentence(NamedTuple):
    """What a sentence asserts and denies, in text order, and what it says of what was sought."""

    readings: tuple[Reading, ...] = ()
    sought: Items | None = None
    """The sentence itself, where it names what is sought and says nothing of it."""
    describes: bool = False
    """What is open describes what "these", its subject, stands for."""
    said: Answer | None = None
    """What it says of what was sought before it."""
    supposes: bool = False
    """It only says what "such a finding", its subject, could be."""
    goes_on: bool = False
    """Its subject, "this" or "such a thing", is what the sentence before it seeks."""


def settled(sought: Iterable[tuple[int, Reading]], said: Answer, readings: Sequence[Reading]) -> list[Reading]:
    """Return what was sought as found or not, but for what the answering sentence says itself."""
    lexicon = load_lexicon()
    named = [
        reading.form.concept
        for reading in readings
        if reading.form.presence is said.presence and not lexicon.concepts[reading.form.concept].unnamed
    ]
    against = {each.form.concept for each in readings if each.form.presence is not said.presence}
    sought = [
        (number, reading)
        for number, reading in sought
        if reading.form.presence is Presence.PRESENT and reading.form.concept not in against
    ]
    first = min((number for number, _ in sought), default=0)
    several = any(number != first for number, _ in sought)
    found = []
    for number, reading in sought:
        concept = reading.form.concept
        if (said.head and number != first) or not _can_be_found(concept, lexicon):
            continue
        again = concept in named or (
            not said.head and several and any(_same(concept, other, lexicon) for other in named)
        )
        if number != first or not again:
            found.append(reading._replace(form=_with_presence(reading.form, said.presence)))
    return found


def beside(sought: Iterable[tuple[int, Reading]], readings: Sequence[Reading]) -> list[Reading]:
    """Return what a sentence seeks, as what it says behind it settles it: "For X, Y shows no Z".

    Where the sentence names the thing again, that decides; where all it says is what is not there, nothing was found.
    """
    lexicon = load_lexicon()
    nothing = any(each.form.presence is Presence.ABSENT for each in readings) and all(
        each.form.presence is Presence.ABSENT or lexicon.concepts[each.form.concept].kind == "normal"
        for each in readings
    )
    found = []
    for _, reading in sought:
        form = reading.form
        if form.presence is Presence.ABSENT or not _can_be_found(form.concept, lexicon):
            continue
        again = [each for each in readings if each.form.concept == form.concept]
        named = [each.form.presence for each in again or readings if _same(form.concept, each.form.concept, lexicon)]
        excluded = nothing or any(form.concept in lexicon.ruled_out.get(each.form.concept, ()) for each in readings)
        presence = named[0] if named else Presence.ABSENT if excluded else None
        if presence is not None:
            found.append(reading._replace(form=_with_presence(form, presence)))
    return found


def _can_be_found(concept_id: str, lexicon: Lexicon) -> bool:
    """Return whether an answer can be about a concept: something wrong that has a name."""
    concept = lexicon.concepts[concept_id]
    return concept.kind != "normal" and not concept.unnamed


def _same(one: str, other: str, lexicon: Lexicon) -> bool:
    return other in lexicon.ancestors[one] or one in lexicon.ancestors[other]


def _with_presence(form: NormalForm, presence: Presence) -> NormalForm:
    return normal_form(
        form.concept, presence, form.certainty, form.locations, form.side, form.severity, form.size_mm, form.number,
        form.change, form.qualities,
    )  # fmt: skip
