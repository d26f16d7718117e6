"""Which wording a question's reasoning gets: drawn from the seed and the question's id, the same each time.

`varied` draws every sentence from its wordings, `plain` always says the first and weighs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct

_NUMBERS = Struct("<16H")


@dataclass(frozen=True, slots=True)
class Voice:
    """The wording of one question's reasoning; without a seed it is the plain one."""

    question_id: str
    seed: int | None

    @property
    def plain(self) -> bool:
        """Whether everything is said in its first wording."""
        return self.seed is None

    def say(self, wordings: Sequence[str], about: str, turn: int = 0, /, **filled: str) -> str:
        """Return one of the wordings with its places filled in.

        `about` names what is drawn: the same is drawn alike, and each further turn of it gets another wording until
        all were said.
        """
        return self._nth(wordings, about, turn).format(**filled)

    def maybe(self, sentences: Sequence[str], about: str) -> str:
        """Return one of the sentences, or none of them ("") as often as each."""
        return self._nth(("", *sentences), about, 0)

    def some(self, words: Sequence[str], about: str, most: int) -> list[str]:
        """Return two of the words, up to `most` of them, in an order of their own."""
        drawn = self._drawn(about)
        places = sorted(range(len(words)), key=lambda place: drawn[place % len(drawn)])
        return [words[place] for place in places[: 2 + drawn[-1] % (most - 1)]]

    def _nth(self, wordings: Sequence[str], about: str, turn: int) -> str:
        if self.seed is None or len(wordings) == 1:
            return wordings[0]
        return wordings[(self._drawn(about)[0] + turn) % len(wordings)]

    def _drawn(self, about: str) -> tuple[int, ...]:
        """Return sixteen numbers that the seed, the question and what is drawn make."""
        return _NUMBERS.unpack(sha256(f"{self.seed}/{self.question_id}/{about}".encode()).digest())
