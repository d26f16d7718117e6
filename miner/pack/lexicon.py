"""The tables of the language: concepts, structures and places, qualifiers, cues, spelling, section headers."""

from functools import cached_property
from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from cxr.miner.pack.positions import Positions
from cxr.miner.pack.tables import (
    AdjectiveId,
    ConceptId,
    LabelName,
    PlaceId,
    RegionId,
    RegionOrPlaceId,
    Table,
    Word,
    Words,
)
from cxr.schemas.vocabulary import Change, Severity, Side

# Read at every word of a report, so that they are plain objects with slots, which are looked up fastest.
CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Concept:
    """One thing a report can state, of `lexicon/findings_*.toml` or `normals.toml`; docs/language.md has its keys."""

    id: Word
    name: Word
    kind: Literal["abnormality", "device", "normal"]
    """What its file holds, where it does not say so itself."""
    region: RegionOrPlaceId
    course: Literal["acute", "chronic"] | None = None
    is_a: tuple[ConceptId, ...] = ()
    equivalent: tuple[ConceptId, ...] = ()
    entails: tuple[ConceptId, ...] = ()
    entails_absence: tuple[ConceptId, ...] = ()
    at: dict[RegionId, ConceptId] = Field(default_factory=dict)
    """What it is called in another region."""
    when: dict[AdjectiveId, ConceptId] = Field(default_factory=dict)
    """What it is called under an adjective that stands apart from it."""
    chronic_form: ConceptId | None = None
    """What it is called where the words beside it say old or healed."""
    label: LabelName | None = None
    label_too: LabelName | None = None
    """A second label that it names."""
    label_possible: LabelName | None = None
    """A label that it suggests without naming it."""
    label_absent: tuple[LabelName, ...] = ()
    """Labels that are 0 where a normal is asserted, or an abnormality denied, of the whole structure."""
    one_of_many: bool = False
    """Its denial leaves its label open: other kinds may be there."""
    placed: bool = False
    """It says something only at the places of `at`: a word of common use, as in "Y in the wrong place"."""
    alone: ConceptId | None = None
    """What a `placed` word is called where a sentence says no more than how it is: "no Y", "Ys unchanged"."""
    incidental: bool = False
    """Its presence leaves an image without finding, as the corpus's labeler counts."""
    unsided: frozenset[Word] = frozenset()
    """A side in a phrase with one of these words is that of what it is named by, and no side of it."""
    unnamed: bool = False
    """It says that something is wrong and not what: "an abnormality of Y"."""
    phrases: Words
    source: Word


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Region:
    """A structure of `anatomy.toml`: which concepts "normal", "abnormal" and adjectives make of it."""

    id: Word
    normal: ConceptId | None = None
    abnormal: ConceptId | None = None
    acute: ConceptId | None = None
    lesion: ConceptId | None = None
    """What a circumscribed thing without a name of its own is called there."""
    states: dict[AdjectiveId, ConceptId] = Field(default_factory=dict)
    divided: bool = False
    """Its parts tell places apart; elsewhere the concept's own region says enough."""
    beside: frozenset[RegionId] = frozenset()
    """Regions that are named in one breath with what is here, and are no place of it."""


class PartTable(Table):
    """A place of `anatomy.toml`."""

    region: RegionId
    part_of: tuple[PlaceId, ...] = ()
    stands_for: tuple[PlaceId, ...] = ()
    """The places that its phrases name in one breath."""
    only: Side | None = None
    """The side that it is on in everybody."""
    phrases: Words
    sided: dict[Side, Words] = Field(default_factory=dict)


class RatioTable(Table):
    """A ratio of structures: what its number makes of it."""

    phrases: Words
    limit: float = Field(gt=0, lt=1)
    above: ConceptId
    otherwise: ConceptId


class Comparing(Table):
    """The words between a ratio's name and its number."""

    more: frozenset[Word] = frozenset()
    less: frozenset[Word] = frozenset()
    denying: frozenset[Word] = frozenset()
    numbers: dict[Word, float] = Field(default_factory=dict)
    units: frozenset[Word] = frozenset()
    """Behind a number: it is a length and no ratio."""


class Anatomy(Table):
    """`anatomy.toml`."""

    adjective_endings: Words = Field(min_length=1)
    """A structure that is named by such a word needs a noun after it."""
    device_sites: frozenset[Word] = frozenset()
    """Words for structures that a device ends in: their sides are no sides of the device."""
    ratio: tuple[RatioTable, ...] = ()
    comparing: Comparing = Field(default_factory=Comparing)
    region: dict[str, Region]
    part: dict[str, PartTable]
    positions: Positions = Field(default_factory=Positions)
    """Where devices end."""


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class State:
    """An adjective of a structure, of `lexicon/modifiers.toml`."""

    id: Word
    normal: bool
    hedge: bool = False
    like: AdjectiveId | None = None
    """What it means where a region has no word of its own for it."""
    predicative: bool = False
    """It describes a structure only from behind ("X is central", but not "central X")."""
    severity: Severity | None = None
    change: Change | None = None
    """The change that it says of something that has a name of its own ("X: increased")."""
    directed: bool = False
    """A side behind it says where to."""
    phrases: Words


class Modifiers(Table):
    """`lexicon/modifiers.toml`."""

    state: dict[str, State]
    side: dict[Side, Words]
    severity: dict[Severity, Words]
    up_to: dict[Severity, Words]
    """How the upper end of a range is said; of several that fit the first counts."""
    emphasis: Words = ()
    """Degrees that only stress what is there; a denial of theirs leaves lesser ones open."""
    direction: Words = ()
    """They narrow a place and are none."""
    number: dict[Literal["single", "multiple"], Words]
    change: dict[Change, Words]
    removal: Words = ()
    """What says of a device, and of nothing else, that it is there no more."""
    course: dict[Change, Words] = Field(default_factory=dict)
    """Changes that are said only behind what they speak of."""
    earlier: Words = ()
    """A degree beside them is one that was."""
    currently: Words = ()
    """A degree behind them is the present one, whatever was said before."""
    same_side: Words = ()
    """The side that was named last."""
    other_side: Words = ()
    """The side opposite to the one that was named last."""


class CueTable(Table):
    """One kind of cue of `lexicon/cues.toml`."""

    phrases: Words


class Compounds(Table):
    """`lexicon/compounds.toml`: phrases that mean several findings at once."""

    phrases: dict[Word, tuple[ConceptId, ...]] = Field(default_factory=dict)


class Spelling(Table):
    """`lexicon/spelling.toml`: how words are folded, so that one spelling in the lexicon matches all of them."""

    singular: dict[str, Word]
    """Plurals that are not made with -s, -es or -ies."""
    variants: dict[str, Word]
    """British forms and misspellings."""
    split: dict[str, Words]
    """Compounds and abbreviations: the words that they stand for."""
    heard: dict[str, Words] = Field(default_factory=dict)
    """By a phrase of the lexicon: what speech recognition writes in its place."""
    ends_in_s: frozenset[Word]
    """Words whose -s is no plural."""
    distinct: str = ""
    """Words with blanks between them that are no slip, however near they come to a word of the lexicon."""

    @cached_property
    def right(self) -> frozenset[str]:
        """The words that are spelled right."""
        return frozenset(self.distinct.split())


class AbbreviationList(Table):
    """Abbreviations that one source knows."""

    source: str
    words: dict[str, Words]
    """By the lower-case abbreviation, which may hold signs: the words that it stands for, folded."""


class Abbreviations(Table):
    """`lexicon/abbreviations.toml`: what is written short."""

    list: tuple[AbbreviationList, ...] = ()
    capital: dict[str, Words] = Field(default_factory=dict)
    """What is an abbreviation in capitals only, and behind no number: a unit of length otherwise."""

    @cached_property
    def words(self) -> dict[str, tuple[str, ...]]:
        """The words of every abbreviation; of two lists the later counts."""
        return {short: words for each in self.list for short, words in each.words.items()}


class Ordinary(Table):
    """`lexicon/ordinary.toml`: words that carry no finding by themselves."""

    words: dict[str, str]
    """By kind: words with blanks between them."""
    procedure_endings: Words = ()
    """How the names of what was done end: they tell what was, and are no finding."""
    history: Words = ()
    """Words behind which stands what was done before."""
    exceptions: frozenset[str] = frozenset()
    """Words behind a denial that say that what follows is there: "no X, only Y"."""

    @cached_property
    def all(self) -> frozenset[str]:
        """All of them."""
        return frozenset(word for words in self.words.values() for word in words.split())


class InsideHeaders(Table):
    """Headings inside a section."""

    exact: Words
    words: Words


class ViewHeaders(Table):
    """Headers that name the examination."""

    words: Words


class SectionHeaders(Table):
    """`section_headers.toml`: what radiologists call the parts of a report."""

    exact: dict[str, Words]
    not_in_line: Words = ()
    """Headers that are too common in prose to begin a section in the middle of a line."""
    inside: InsideHeaders
    views: ViewHeaders
