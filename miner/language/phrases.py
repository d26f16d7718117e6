"""The phrases of a lexicon by the words that they begin with, so that those at a word are found in no time."""

from collections.abc import Iterator, Mapping, Sequence

from cxr.miner.language.entries import Entry

Lengths = dict[str, list[int]]
"""How many words the phrases have that begin with a word, by their second word, longest first."""


class Phrases:
    """Finds the phrases that begin at a word: how long they can be is known from their first two words."""

    def __init__(self, entries: Mapping[tuple[str, ...], Entry]) -> None:
        self.entries = entries
        self.begins: dict[str, tuple[Entry | None, Lengths]] = {}
        """Of each first word what it is alone, and how long the phrases can be."""
        for words, entry in entries.items():
            own, longer = self.begins.get(words[0]) or (None, {})
            if len(words) == 1:
                own = entry
            else:
                longer.setdefault(words[1], []).append(len(words))
            self.begins[words[0]] = own, longer
        for _, longer in self.begins.values():
            for second, lengths in longer.items():
                if len(lengths) > 1:
                    longer[second] = sorted(set(lengths), reverse=True)

    def at(self, words: Sequence[str], start: int) -> Iterator[tuple[Entry, int]]:
        """Yield every phrase that begins at a word, and how many words it has, short before long."""
        own, longer = self.begins.get(words[start], _NOTHING)
        if own is not None:
            yield own, 1
        room = len(words) - start
        for total in reversed(longer.get(words[start + 1], ())) if longer and room > 1 else ():
            entry = self.entries.get(tuple(words[start : start + total])) if total <= room else None
            if entry is not None:
                yield entry, total


_NOTHING: tuple[None, Lengths] = (None, {})
