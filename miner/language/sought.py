"""What a text looks for, until a later sentence says what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cxr.miner.language.answers import Answer
from cxr.miner.language.items import Items
from cxr.miner.language.reader import read_sought
from cxr.miner.language.readings import Reading, Sentence, settled
from cxr.schemas import Presence

_PATIENCE = 2
"""An answer is the next sentence, or the one behind it."""


@dataclass(slots=True)
class Sought:
    """The sentences that look for one thing, each with its number in the text: its name first, its signs last."""

    sentences: list[tuple[int, Items]] = field(default_factory=list)
    waited: int = 0
    asserted: bool = False
    """The sentence before the one that is read states something."""
    settled: bool = False
    """Something that was sought was found or not."""

    def hear(self, read: Sentence, number: int) -> list[tuple[int, Reading]]:
        """Return what a sentence settles of what was sought before it, with the number of the seeking sentence."""
        found: list[tuple[int, Reading]] = []
        if self.sentences:
            said = read.said if read.said is None or not (read.said.near and self.waited) else None
            if said is not None:
                found = self._settle(said, read.readings)
            self.waited += 1
            if said is not None or self.waited >= _PATIENCE:
                self.sentences.clear()
        if read.sought is None:
            pass
        elif read.describes and self.asserted and not self.sentences:
            yes = Answer(Presence.PRESENT)
            found += [(number, each) for each in settled(read_sought(read.sought), yes, read.readings)]
        else:
            if not read.goes_on:
                self.sentences.clear()
            self.sentences.append((number, read.sought))
            self.waited = 0
        self.settled = self.settled or bool(found)
        return found

    def _settle(self, said: Answer, readings: Sequence[Reading]) -> list[tuple[int, Reading]]:
        """Return what an answer settles: what the first sentence names, or the signs of the last that names any."""
        for of, seeking in self.sentences if said.head else reversed(self.sentences):
            named = read_sought(seeking)
            if named:
                return [(of, each) for each in settled(named, said, readings)]
        return []
