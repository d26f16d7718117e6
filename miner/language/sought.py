"""What a text looks for, until a later sentence says what came of it."""

from dataclasses import dataclass

from cxr.miner.language.answers import Answer
from cxr.miner.language.reader import Reading, Sentence, read_sought, settled
from cxr.schemas import Presence

_PATIENCE = 2
"""An answer is the next sentence, or the one behind it."""


@dataclass(slots=True)
class Sought:
    """The last sentence that looked for something, and the first of the plans that it goes on with."""

    sentence: str = ""
    number: int = 0
    """Its number in the text."""
    waited: int = 0
    asserted: bool = False
    """The sentence before the one that is read states something."""
    settled: bool = False
    """Something that was sought was found or not."""

    def hear(self, sentence: str, read: Sentence, number: int) -> list[tuple[int, Reading]]:
        """Return what a sentence settles of what was sought before it, with the number of the seeking sentence."""
        found: list[tuple[int, Reading]] = []
        if self.sentence:
            if read.said is not None:
                found = [(self.number, each) for each in settled(read_sought(self.sentence), read.said, read.readings)]
                self.sentence = ""
            self.waited += 1
            if self.waited >= _PATIENCE:
                self.sentence = ""
        if read.open and read.describes and self.asserted and not self.sentence:
            yes = Answer(Presence.PRESENT)
            found += [(number, each) for each in settled(read_sought(sentence), yes, read.readings)]
        elif read.open:
            self.sentence, self.number, self.waited = sentence, number, 0
        self.settled = self.settled or bool(found)
        return found
