"""A stand-in for the encoder: sentences are similar by the words that they share."""

from collections.abc import Sequence
from itertools import count

import numpy as np

from cxr.trainer.learned.encoder import Rows
from cxr.trainer.learned.judge import RulesAndEncoder
from cxr.trainer.learned.namer import Namer, NamerFile

EXAMPLES = (
    ("dark gap between ribs and lung", "pneumothorax"),
    ("water gathers around the lung", "pleural_effusion"),
    ("the pump is far too big", "cardiomegaly"),
    ("the film was taken on the ward", None),
)

LIGHT = {*"a an the is are there no in between left right small lies and this".split()}  # noqa: SIM905


class SharedWords:
    """Counts words, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self._places: dict[str, int] = {}
        self._next = count()

    def embed(self, texts: Sequence[str]) -> Rows:
        """Return a row of word counts for each text, of length one."""
        self.asked += len(texts)
        rows = np.zeros((len(texts), 512), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in set(text.lower().replace(".", "").split()) - LIGHT:
                row[self._places.setdefault(word, next(self._next))] += 1
        lengths: Rows = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)
        return rows / lengths


class Eager:
    """Finds every text the same as every other: whatever it is asked is named by the first example."""

    def embed(self, texts: Sequence[str]) -> Rows:
        """Return the same row for each text."""
        return np.ones((len(texts), 1), np.float32)


def about(**changed: object) -> NamerFile:
    """Say what a namer of the examples is made of."""
    said = {"weights": "0" * 64, "seed": 0, "least_similarity": 0.7, "examples": EXAMPLES, **changed}
    return NamerFile.model_validate(said)


def judge(**changed: object) -> RulesAndEncoder:
    """Make the judge with the stand-in for its encoder."""
    return RulesAndEncoder(Namer(SharedWords(), about(**changed)))
