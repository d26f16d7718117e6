"""`descriptions.toml`: findings in other words than their names, for the encoder that learns to name them."""

from typing import Annotated

from pydantic import Field

from cxr.miner.pack.tables import ConceptId, Table, Word, Words, fills


class Descriptions(Table):
    """Invented sentences by what they describe; the rules never read them."""

    frames: tuple[Annotated[Word, fills("words")], ...] = ()
    """Sentences around a name."""
    nothing: Words = ()
    """Sentences that state no finding."""
    described: dict[ConceptId, Words] = Field(default_factory=dict)
