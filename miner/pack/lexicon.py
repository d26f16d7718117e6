"""The tables of the language: concepts, structures and places, qualifiers, cues, spelling, section headers."""

from typing import Literal

from pydantic import Field

from cxr.miner.pack.tables import Table, Word, Words
from cxr.schemas.vocabulary import Change, Severity, Side

Kind = Literal["abnormality", "device", "normal"]


class ConceptTable(Table):
    """One concept of `lexicon/findings_*.toml` or `lexicon/normals.toml`; docs/language.md explains its keys."""

    name: Word
    region: Word
    kind: Kind | None = None
    """What the file says where it is left out: normal in `normals.toml`, else abnormality."""
    course: Literal["acute", "chronic"] | None = None
    is_a: Words = ()
    equivalent: Words = ()
    entails: Words = ()
    entails_absence: Words = ()
    at: dict[str, Word] = Field(default_factory=dict)
    when: dict[str, Word] = Field(default_factory=dict)
    chronic_form: str | None = None
    label: str | None = None
    label_possible: str | None = None
    label_absent: Words = ()
    incidental: bool = False
    unnamed: bool = False
    phrases: Words
    source: Word


class RegionTable(Table):
    """A structure of `anatomy.toml`: what normal, abnormal and each adjective make of it."""

    normal: str | None = None
    abnormal: str | None = None
    acute: str | None = None
    lesion: str | None = None
    states: dict[str, Word] = Field(default_factory=dict)
    divided: bool = False
    """Its parts tell places apart; elsewhere the concept's own region says enough."""
    beside: Words = ()
    """Regions that are named in one breath with what is here, and are no place of it."""


class PartTable(Table):
    """A place of `anatomy.toml`."""

    region: Word
    part_of: Words = ()
    phrases: Words
    sided: dict[Side, Words] = Field(default_factory=dict)


class Anatomy(Table):
    """`anatomy.toml`."""

    adjective_endings: Words = Field(min_length=1)
    """A structure that is named by such a word needs a noun after it."""
    device_sites: frozenset[Word] = frozenset()
    """Words for structures that a device ends in: their sides are no sides of the device."""
    region: dict[str, RegionTable]
    part: dict[str, PartTable]


class StateTable(Table):
    """An adjective of `lexicon/modifiers.toml`."""

    polarity: Literal["normal", "abnormal"]
    hedge: bool = False
    predicative: bool = False
    severity: Severity | None = None
    phrases: Words


class Modifiers(Table):
    """`lexicon/modifiers.toml`."""

    state: dict[str, StateTable]
    side: dict[Side, Words]
    severity: dict[Severity, Words]
    up_to: dict[Severity, Words]
    """How the upper end of a range is said; of several that fit the first counts."""
    emphasis: Words = ()
    """Degrees that only stress what is there; a denial of theirs leaves lesser ones open."""
    number: dict[Literal["single", "multiple"], Words]
    change: dict[Change, Words]


class CueTable(Table):
    """One kind of cue of `lexicon/cues.toml`."""

    phrases: Words


class Compounds(Table):
    """`lexicon/compounds.toml`: phrases that mean several findings at once."""

    phrases: dict[str, Words] = Field(default_factory=dict)


class Spelling(Table):
    """`lexicon/spelling.toml`: how words are folded, so that one spelling in the lexicon matches all of them."""

    singular: dict[str, Word]
    """Plurals that are not made with -s, -es or -ies."""
    variants: dict[str, Word]
    """British forms and misspellings."""
    split: dict[str, Words]
    """Compounds and abbreviations: the words that they stand for."""
    ends_in_s: frozenset[Word]
    """Words whose -s is no plural."""


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
