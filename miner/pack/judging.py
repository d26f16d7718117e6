"""The tables of the rules judge: what follows from what, and the words that it reads findings with."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from cxr.miner.pack.positions import Numbered, Quality
from cxr.miner.pack.tables import ConceptId, NormalId, PlaceId, RegionId, Table, Word, Words, declared

Concepts = tuple[ConceptId, ...]
Regions = tuple[RegionId, ...]
Places = tuple[PlaceId, ...]
OfConcepts = dict[ConceptId, Concepts]
OfNormals = dict[NormalId, Concepts]


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} cannot be used ({error}); correct it") from None
    return pattern


Pattern = Annotated[str, Field(min_length=1), AfterValidator(_compiles)]


class SameThing(Table):
    """Names of one abnormality: a report that says one supports and denies the other."""

    concepts: Concepts = Field(min_length=2)


class Overlap(Table):
    """Places that radiologists use for each other."""

    places: Places = Field(min_length=2)


class Narrowed(Table):
    """A word that says in which way a structure is normal, and what alone that rules out."""

    word: Word
    ruled_out: OfNormals


class Sharpened(Table):
    """A word near a thing that gives it another name."""

    word: Word
    unless: Words = ()
    becomes: dict[ConceptId, ConceptId]


class Border(Table):
    """A place that is neither in a structure nor out of it, until the words say so."""

    part: PlaceId
    of: PlaceId
    said: Pattern


class Kinds(Table):
    """Concepts that behave alike."""

    acute_in_general: Concepts = ()
    """Words for acute abnormality in general: their denial says nothing on chronic findings."""
    says_little: Concepts = ()
    """They only say that something is wrong; beside anything named they add nothing."""
    counted: Concepts = ()
    """A singular means one of them."""
    diffuse: Concepts = ()
    """They spread: they say nothing on one place."""
    midline: Concepts = ()
    """They lie in the middle: one that has a side is another thing."""
    broad: Concepts = ()
    """There may be several unrelated ones."""


class RegionKinds(Table):
    """Regions that narrow little down."""

    anywhere: Regions
    """A place in them tells nothing."""
    near_anything: Regions = ()
    """What is at home in them may be said to be at any place."""
    told_apart: Regions = ()
    """Two findings of one kind in two parts of them are two findings."""
    shown_in_part: Regions = ()
    """Images show a part of them, which need not be named."""
    zoned: Annotated[str, declared("organ")]
    """The organ in which another zone is another place of the same thing."""


class RelationTables(Table):
    """`relations.toml`: what follows from what, between concepts and between places."""

    same: tuple[SameThing, ...] = ()
    signs: OfConcepts = Field(default_factory=dict)
    hints: OfConcepts = Field(default_factory=dict)
    granted: OfConcepts = Field(default_factory=dict)
    """What radiologists take to be there where the report names one of the others."""
    granted_normal: OfNormals = Field(default_factory=dict)
    """What they take a list to hold, where it denies one of these and nothing in it stands against that."""
    normal_when_denied: OfNormals = Field(default_factory=dict)
    normal_when_all_denied: OfNormals = Field(default_factory=dict)
    ruled_out: OfNormals = Field(default_factory=dict)
    broken_by: OfNormals = Field(default_factory=dict)
    report_ruled_out: OfNormals = Field(default_factory=dict)
    list_ruled_out: OfNormals = Field(default_factory=dict)
    narrowed: tuple[Narrowed, ...] = ()
    sharpened: tuple[Sharpened, ...] = ()
    quality: tuple[Quality, ...] = ()
    numbered: tuple[Numbered, ...] = ()
    details: OfConcepts = Field(default_factory=dict)
    at_place: dict[RegionId, dict[ConceptId, ConceptId]] = Field(default_factory=dict)
    kinds: Kinds
    regions: RegionKinds
    usual_places: dict[ConceptId, Places] = Field(default_factory=dict)
    overlapping_places: tuple[Overlap, ...] = ()
    border: Border | None = None
    reaches: dict[RegionId, Regions] = Field(default_factory=dict)
    organs: dict[str, Regions] = Field(default_factory=dict)
    reasons: dict[NormalId, Word] = Field(default_factory=dict)
    """Why a finding is absent where a normal says so, in the word that stands in rows."""


class JudgeWords(Table):
    """`judge.toml`: words of findings, patterns where they have endings."""

    empty: Word
    """Words that carry no meaning of their own, between blanks."""
    denying: Word
    """Words that deny."""
    normal: Word
    """Words that call something normal."""
    pointing: tuple[Pattern, ...]
    """Words that only point at what is spoken of."""
    past_causes: tuple[Pattern, ...]
    """What may be over while its traces are not."""
    before_letters: frozenset[Word]
    """Words that make a capital behind them part of a name, and no letter of an answer."""
