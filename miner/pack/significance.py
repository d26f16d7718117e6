"""The table of what findings mean to a patient: how soon somebody has to know, and what it costs to get them wrong."""

from typing import Annotated

from pydantic import Field, model_validator

from cxr.miner.pack.tables import ConceptId, Table, Word, Words
from cxr.schemas.vocabulary import ErrorAttribute, Severity, Significance

Cost = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Level(Table):
    """Concepts of one significance; their kinds have it too, where they have none of their own."""

    significance: Significance
    source: Word
    concepts: tuple[ConceptId, ...] = Field(min_length=1)


class Circumstance(Table):
    """What the degree of a finding, or words beside it, make of its significance, more or less."""

    significance: Significance
    source: Word
    concepts: tuple[ConceptId, ...] = Field(min_length=1)
    """Their kinds are meant, too."""
    words: Words = ()
    """Beginnings of words, in lower case."""
    severity: tuple[Severity, ...] = ()
    badly_placed: bool = False
    """The words tell that a device lies where it should not."""

    @model_validator(mode="after")
    def _says_when(self) -> "Circumstance":
        if not (self.words or self.severity or self.badly_placed):
            raise ValueError("it does not say when it holds; add `words`, `severity` or `badly_placed`")
        return self


class SignificanceTable(Table):
    """`significance.toml`, which a pack may lack: every finding is then as significant as every other."""

    default: Significance = Significance.NOTABLE
    """Of what is no kind of any concept with a significance."""
    weights: dict[Significance, Cost] = Field(default_factory=lambda: dict.fromkeys(Significance, 1.0))
    """What a finding that is missed, or is not there, costs."""
    details: dict[ErrorAttribute, Share] = Field(default_factory=lambda: dict.fromkeys(ErrorAttribute, 1.0))
    """The share of its cost where it is there and wrong in this attribute alone."""
    level: tuple[Level, ...] = ()
    circumstance: tuple[Circumstance, ...] = ()
    """Of several that hold, the first counts."""

    @model_validator(mode="after")
    def _fits_together(self) -> "SignificanceTable":
        named = [concept for level in self.level for concept in level.concepts]
        if twice := next((concept for concept in named if named.count(concept) > 1), None):
            raise ValueError(f"the concept {twice!r} has a significance twice; keep one")
        for table, names in (
            ("weights", set(Significance) - self.weights.keys()),
            ("details", set(ErrorAttribute) - self.details.keys()),
        ):
            if names:
                raise ValueError(f"{table} has no entry {min(names)}; add it")
        return self
