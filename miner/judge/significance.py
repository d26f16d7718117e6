"""How much a finding matters: the pack's significance of its concepts, inherited from what they are kinds of."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.language.positions import BADLY
from cxr.miner.language.version import VERSION_LENGTH
from cxr.miner.pack import pack
from cxr.miner.pack.significance import Circumstance, SignificanceTable
from cxr.schemas import NormalForm, Significance
from cxr.schemas.vocabulary import ErrorAttribute

_ORDER = tuple(Significance)
"""The highest first."""


class Significances:
    """The significance of every concept, and what it costs to get one wrong."""

    def __init__(self, table: SignificanceTable, parents: Mapping[str, tuple[str, ...]]) -> None:
        self._table, self._parents = table, parents
        self._own = {concept: level.significance for level in table.level for concept in level.concepts}
        self._kinds = {concept: frozenset(self._above(concept)) for concept in parents}
        self._of = {concept: self._inherited(concept) for concept in parents}

    def of(self, concept: str) -> Significance:
        """Return the significance of a concept in itself; of one that the pack does not know, the default."""
        return self._of.get(concept, self._table.default)

    def of_form(self, form: NormalForm, words: str) -> Significance:
        """Return the significance of a finding in normal form, with its degree and the words that state it."""
        for one in self._table.circumstance:
            if self._holds(one, form, words):
                return one.significance
        return self.of(form.concept)

    def weight(self, significance: Significance) -> float:
        """Return what it costs to miss or to invent a finding of this significance."""
        return self._table.weights[significance]

    def share(self, error: ErrorAttribute | None) -> float:
        """Return the share of its cost where a finding is wrong in this attribute; all of it where nobody says."""
        return self._table.details[error or ErrorAttribute.PRESENCE]

    def _holds(self, one: Circumstance, form: NormalForm, words: str) -> bool:
        kinds = self._kinds.get(form.concept, frozenset())
        if kinds.isdisjoint(one.concepts) or (one.severity and form.severity not in one.severity):
            return False
        if one.badly_placed and BADLY not in form.qualities:
            return False
        return not one.words or any(f" {word}" in f" {words}" for word in one.words)

    def _above(self, concept: str) -> Iterable[str]:
        """Return a concept and everything that it is a kind of, near before far."""
        reached = [concept]
        for name in reached:
            reached.extend(parent for parent in self._parents.get(name, ()) if parent not in reached)
        return reached

    def _inherited(self, concept: str) -> Significance:
        """Return the significance of the nearest concept that has one; of several as near, the highest."""
        level: list[str] = [concept]
        seen = set(level)
        while level:
            found = [self._own[name] for name in level if name in self._own]
            if found:
                return highest(found)
            level = [parent for name in level for parent in self._parents.get(name, ()) if parent not in seen]
            seen.update(level)
        return self._table.default


def highest(found: Iterable[Significance]) -> Significance:
    """Return the highest of some significances; raises ValueError for none."""
    return min(found, key=_ORDER.index)


@lru_cache(maxsize=1)
def load_significances() -> Significances:
    """Return the significances of the pack in use, built once."""
    parents = {concept.id: concept.is_a for concept in load_lexicon().concepts.values()}
    return Significances(pack().significance, parents)


@lru_cache(maxsize=1)
def weights_version() -> str:
    """Return what stands beside a weighted score: the table that it was made by, and the code that read it."""
    code = code_digest("cxr.miner.judge.significance", "cxr.miner.judge.weighted")
    said = digest(pack().significance.model_dump(mode="json"), code, length=VERSION_LENGTH)
    return f"significance {said}"
