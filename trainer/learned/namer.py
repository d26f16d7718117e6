"""Says which concept a sentence describes: that of the most similar example, if it is similar enough."""

from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field

from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import InputError
from cxr.miner.language.lexicon import load_lexicon
from cxr.schemas.base import Frozen
from cxr.trainer.learned.encoder import Encoder, MiniLM, Rows, needed

FILE, ROWS = "namer.json", "examples.safetensors"


class Named(NamedTuple):
    """What a sentence describes, how similar it is to the example that says so, and the example's words."""

    concept: str
    similarity: float
    example: str


class NamerFile(Frozen):
    """`namer.json`: everything that decides a naming, the weights by their digest."""

    weights: str
    """The SHA-256 of `model.safetensors`."""
    seed: int
    least_similarity: float = Field(ge=0, le=1)
    """Below it nothing is named."""
    examples: tuple[tuple[str, str | None], ...]

    @property
    def version(self) -> str:
        """Eight hexadecimal digits that stand for weights, examples and the least similarity."""
        return digest("namer", self.model_dump(mode="json"), length=8)


class Namer:
    """Compares sentences with examples in the encoder's space."""

    def __init__(self, encoder: Encoder, about: NamerFile, rows: Rows | None = None) -> None:
        self.encoder = encoder
        self.about = about
        self._given = rows
        self._name = lru_cache(maxsize=32_768)(self._look)

    def __getstate__(self) -> dict[str, object]:
        return {"encoder": self.encoder, "about": self.about, "rows": self._given}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # the cache stays in its process

    @property
    def version(self) -> str:
        """Changes whenever a naming may change."""
        return self.about.version

    @cached_property
    def rows(self) -> Rows:
        """The examples as unit vectors."""
        given = self._given
        return self.encoder.embed([words for words, _ in self.about.examples]) if given is None else given

    def anew(self, least_similarity: float | None = None) -> "Namer":
        """Return the same namer with nothing in its cache, or with another least similarity and so another version."""
        least = self.about.least_similarity if least_similarity is None else least_similarity
        return Namer(self.encoder, self.about.model_copy(update={"least_similarity": least}), self.rows)

    def name(self, sentence: str) -> Named | None:
        """Return what a sentence describes; None where no example is similar enough, or one that states nothing is."""
        return self._name(" ".join(sentence.split()))

    def _look(self, sentence: str) -> Named | None:
        similar = self.rows @ self.encoder.embed([sentence])[0]
        at = int(np.argmax(similar))
        words, concept = self.about.examples[at]
        if concept is None or similar[at] < self.about.least_similarity:
            return None
        return Named(concept, float(similar[at]), words)


@lru_cache(maxsize=4)
def load_namer(folder: Path) -> Namer:
    """Return the namer of a folder; raises InputError where it holds none, or one for another lexicon."""
    try:
        about = NamerFile.model_validate_json((folder / FILE).read_bytes())
        rows = needed("safetensors.numpy").load_file(folder / ROWS)["rows"]
    except (OSError, ValueError, KeyError):
        raise InputError(f"{folder} holds no encoder; expected a folder that `cxr train encoder -o` wrote") from None
    unknown = {concept for _, concept in about.examples if concept is not None} - load_lexicon().concepts.keys()
    if unknown or rows.shape[:1] != (len(about.examples),):
        named = min(unknown, default="another number of examples")
        raise InputError(f"{folder} was trained for another lexicon ({named}); run `cxr train encoder` again")
    return Namer(MiniLM(folder), about, rows)
