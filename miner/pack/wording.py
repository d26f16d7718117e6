"""The tables of what is said: questions, what is looked for, the sentences of a reasoning, nouns and places."""

from typing import Annotated

from pydantic import Field

from cxr.miner.pack.tables import (
    AskedLabel,
    ConceptId,
    PlaceId,
    RegionId,
    Table,
    Word,
    Words,
    declared,
    fills,
    said,
)
from cxr.schemas.vocabulary import Change, Presence, Severity, Task

Plain = Annotated[str, Field(min_length=1), fills()]
OfFinding = Annotated[str, Field(min_length=1), fills("finding")]


class Questions(Table):
    """`questions.toml`: the words of each task's question, without its options; a task left out is not asked."""

    binary: OfFinding | None = None
    single: Plain | None = None
    multiple: Plain | None = None
    anomaly: Plain | None = None
    temporal: OfFinding | None = None

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that have words."""
        return tuple(task for task in Task if getattr(self, task) is not None)

    def text(self, task: Task) -> str:
        """Return the words of a task's question; empty where it is not asked."""
        return getattr(self, task) or ""


class Signs(Table):
    """One label of `signs.toml`: where it is looked for, and what for."""

    region: Word
    noun: str | None = None
    """Its singular, where its name is a plural."""
    kind: str | None = None
    """How one thing that is seen is tied to it; by default the sentence `kind`."""
    kinds: str | None = None
    """The same of several things; by default `kind` above, or the sentence `kinds`."""
    look_for: Words = Field(min_length=1)
    """Wordings of one meaning; each question gets one of them."""
    words: Words = ()
    """What a quote on it may name instead, beside the phrases of the lexicon."""
    signs: Words = ()
    """Single signs, of which a few are named in an order of their own for each question."""
    where: Words = ()
    """Sentences, of one meaning, that say where one looks."""
    fits: tuple[ConceptId, ...] = ()
    """What goes with it where both are seen."""
    fits_unless: dict[ConceptId, tuple[ConceptId, ...]] = Field(default_factory=dict)
    """What of `fits` speaks for it no more where one of these is seen, which explains it as well."""
    shown_as: tuple[ConceptId, ...] = ()
    """What one sees of it where one sentence says both."""


class RegionReading(Table):
    """One region of `regions.toml`, for findings that are named in words instead of by a label."""

    look_for: Word
    read_in: Annotated[str, declared("region of signs.toml")]
    """The region of `signs.toml` in whose turn it is read."""


class Sentences(Table):
    """The sentences of a reasoning (`[sentences]` of `wording.toml`): each one, or several of one meaning.

    The first is the one that is said where a reasoning is to have one wording only.
    """

    search: Annotated[Words, said("finding", "look_for")]
    shows: Annotated[Words, said("seen")]
    kind: Annotated[Words, said("finding")]
    kinds: Annotated[Words, said("finding")]
    normal: Annotated[Words, said("normal", "finding")]
    not_seen: Annotated[Words, said("finding")]
    no_kind: Annotated[Words, said("kinds", "finding")] = ("No {kinds} is seen, nor any other sign of {finding}.",)
    """Where only kinds of a finding are denied."""
    no_sign: Annotated[Words, said("finding")]
    none_of: Annotated[Words, said("findings")]
    in_region: Annotated[Words, said("region", "looked_for", "seen")]
    open_binary: Annotated[Words, said(some_of=("finding", "search", "look_for"))]
    open_options: Annotated[Words, said("findings")]
    open_anomaly: Annotated[Words, said()]
    open_temporal: Annotated[Words, said(some_of=("finding", "search", "look_for"))]
    close_yes: Annotated[Words, said("finding", "answer")]
    close_no: Annotated[Words, said("finding", "answer")]
    close_options: Annotated[Words, said("findings", "answer")]
    close_anomaly: Annotated[Words, said("findings")]
    close_temporal: Annotated[Words, said(some_of=("finding", "be", "change", "answer"))]
    """`be` is *is* or *are*, as the finding has it."""
    changed: Annotated[Words, said("seen", "change")]
    gone: Annotated[Words, said("finding")]
    fits: Annotated[Words, said("seen")] = ()
    """What goes with a finding; one that has none of these is not looked for."""
    shown_as: Annotated[Words, said("seen")] = ()
    sought: Annotated[Words, said("finding", "look_for")] = ("{finding} ({look_for})",)
    """A finding with its signs, in the list of what is looked for in a region."""
    told: Annotated[Words, said("finding")] = ()
    """Of what was named a step before under another finding."""


class Weighing(Table):
    """One `[[weighing]]` of `wording.toml`: what is said of two findings of which the image settles both."""

    finding: AskedLabel
    presence: Presence = Presence.PRESENT
    of: tuple[ConceptId, ...] = ()
    """Only where one of these, or of their kinds, is what is seen of the finding."""
    other: AskedLabel
    other_presence: Presence = Presence.ABSENT
    say: Words = Field(min_length=1)
    """Sentences of one meaning. They state the other finding as it is, and nothing else."""


class Nested(Table):
    """Places that are said within one another: "the inner part of the left Y"."""

    part: Word
    whole: Word


class Doubt(Table):
    """Words with which a report doubts what it has named (`[doubt]` of `wording.toml`)."""

    probable: frozenset[Word]
    """Words, folded, that call a finding probable; `said` is how we say so."""
    said: Word
    may: Words
    """Words that only suppose what follows."""
    harmless: Words
    """What explains a finding away, where it is supposed."""


class Phrases(Table):
    """How a finding becomes a noun phrase (`[phrases]` of `wording.toml`)."""

    sizes: dict[Severity, Word]
    sized: tuple[ConceptId, ...]
    """Concepts that have a size, with their kinds; others have a degree."""
    ungraded: tuple[ConceptId, ...] = ()
    """Concepts that have neither: what is measured or graded beside them is something else, such as their shift."""
    unsided: tuple[ConceptId, ...] = ()
    """Concepts of which there is one, in the middle."""
    one_a_side: tuple[ConceptId, ...] = ()
    """Concepts of which each side has one: two degrees of it are one thing graded twice."""
    one_thing: tuple[tuple[ConceptId, ...], ...] = ()
    """Concepts that are names of one thing, where a report has both at one place."""
    prepositions: dict[ConceptId, Word] = Field(default_factory=dict)
    """What stands between a concept and its place, where "in" and "over" will not do."""
    adjectives: Words
    """They begin names whose degree is an adverb, and whose side goes with the noun."""
    adverbs: dict[Severity, Word]
    deep: tuple[RegionId, ...]
    """Regions whose findings overlying structures do not place."""
    overlying: tuple[RegionId, ...]
    """Regions that only lie in front of the deep ones, or behind them."""
    unsaid: tuple[PlaceId, ...]
    """Places that are too wide to say anything, or say what is seen rather than where."""
    nested: Nested | None = None
    borderline: dict[ConceptId, Word] = Field(default_factory=dict)
    """How a concept is called that the report calls borderline."""


class Wording(Table):
    """`wording.toml`: how the rules engine speaks."""

    sentences: Sentences
    changes: dict[Change, Annotated[Words, Field(min_length=2, max_length=2)]]
    """What is said of a change, of one thing and of several."""
    phrases: Phrases
    doubt: Doubt | None = None
    weighing: tuple[Weighing, ...] = ()
    """In the order in which they are said."""


class Place(Table):
    """A place as it is said; `unique` ones have no sides, `one_of_many` is one of its kind."""

    name: Word
    on_one_side: bool = False
    """It is a place of one side only, which goes without saying."""
    preposition: Word | None = None
    """What stands before it, where "in" and "over" will not do."""
    unique: bool = False
    one_of_many: bool = False


class Nouns(Table):
    """`nouns.toml`: how the names of findings and places are used in a sentence."""

    counted: frozenset[Word]
    plurals: dict[str, Word]
    places: dict[PlaceId, Place]
