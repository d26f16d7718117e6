"""What a pack says of itself: its title and files, its labels, and which of its ids have a part in the language."""

from typing import Annotated

from pydantic import Field, model_validator

from cxr.miner.pack.tables import (
    AskedLabel,
    ConceptId,
    LabelName,
    PlaceId,
    RegionId,
    Table,
    Word,
    Words,
    declared,
)

Generic = Annotated[str, declared("word of [generic] in lexicon/cues.toml")]


class About(Table):
    """`pack.toml`: what the pack is about, and from which files it is read."""

    title: Word = Field(description="what the images are, in the plural")
    tags: Words = Field(default=(), description="for the card of a data set")
    findings: tuple[Word, ...] = Field(min_length=1, description="files of findings, in the order they are read in")
    largest_mm: float = Field(gt=0, description="a larger number is the size of no finding")
    based_on: str | None = Field(default=None, description="the pack whose files are used where this one has none")


class Label(Table):
    """One of the findings that a corpus of this modality is labeled with."""

    name: Word
    question: bool = True
    """Questions are asked about it."""
    none: bool = False
    """It says that there is no finding."""
    core: tuple[ConceptId, ...] = ()
    """The concepts that are all absent when it is."""
    implies: tuple[LabelName, ...] = ()
    """What is true as well where it is present."""
    may_mean: tuple[LabelName, ...] = ()
    """What may be meant where it is present."""
    borderline: bool = False
    """What the report calls borderline may be described as such."""


class Labels(Table):
    """`labels.toml`: the labels in their published order."""

    label: tuple[Label, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fit_together(self) -> "Labels":
        names = [label.name for label in self.label]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"the label {twice!r} is declared twice; keep one")
        if not any(label.question for label in self.label):
            raise ValueError("questions are asked about no label; leave out `question = false` of one at least")
        nothing = [label for label in self.label if label.none]
        if len(nothing) > 1 or any(label.question or label.core for label in nothing):
            raise ValueError("one label at most says that there is nothing, without questions and without `core`")
        return self


class Roles(Table):
    """`roles.toml`: ids that the code has to find whatever they are called, by their part in the language."""

    anything: ConceptId
    """The concept of whatever is wrong, wherever it is."""
    anything_acute: ConceptId
    """The same of what is acute."""
    all_normal: ConceptId
    """The concept of everything being normal."""
    device: ConceptId
    """The concept of any device; each other device is one of many."""
    whole_region: RegionId
    """The region that is all that the image shows, which narrows no finding down."""
    whole_part: PlaceId
    """The place that is all that the image shows."""
    device_region: RegionId
    """The region of what was put into or onto the patient."""
    elsewhere_region: RegionId | None = None
    """The region of what the image does not show: other parts of the body, which one report may speak of as well."""
    assertable: tuple[Generic, ...]
    """Words for "something wrong" that assert it of the structure beside them."""
    lesion: Generic
    """Of these the word for a circumscribed thing, which a structure may have its own name for."""
    change: Generic
    """Of these the word whose denial alone ("no change") denies nothing."""


class View(Table):
    """A kind of projection, coarse enough to exist in every corpus."""

    name: Word
    words: Words = ()
    """How corpora write it, in lower case."""


class Views(Table):
    """`views.toml`: the projections, the most telling first."""

    view: tuple[View, ...] = Field(min_length=1)
    order: Words
    """The owners' words for positions, the most telling first."""


class Example(Table):
    """`example.toml`: an invented report with a true and a false reasoning about it, to try rewards on."""

    report: Word
    label: AskedLabel
    """What the report says is there."""
    other: AskedLabel
    """What it says nothing of."""
    true: Word
    false: Word
    """The same with one negation flipped."""
