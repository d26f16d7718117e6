"""The phrases of a lexicon by the words that they begin with, so that those at a word are found in no time."""

from collections.abc import Iterator, Mapping, Sequence

from cxr.miner.language.entries import Entry

Known = Mapping[tuple[str, ...], Entry]


class Phrases:
    """Finds the phrases that begin at a word: how long they can be is known from their first two words."""

    def __init__(self, entries: Known) -> None:
        self.entries = entries
        self.lengths: dict[str, dict[str, list[int]]] = {}
        """First word, second word, and the lengths of the phrases that begin so, longest first."""
        lengths = self.lengths
        for words in entries:
            seconds = lengths.get(words[0])
            if seconds is None:
                seconds = lengths[words[0]] = {}
            total = len(words)
            if total > 1:
                known = seconds.get(words[1])
                if known is None:
                    seconds[words[1]] = [total]
                elif total not in known:
                    known.append(total)
                    known.sort(reverse=True)

    def longest(self, words: Sequence[str], start: int) -> tuple[Entry, int] | None:
        """Return the longest phrase that begins at a word, and how many words it has; None where none does."""
        seconds = self.lengths.get(words[start])
        if seconds is None:
            return None
        room = len(words) - start
        for total in seconds.get(words[start + 1], ()) if room > 1 else ():
            entry = self.entries.get(tuple(words[start : start + total])) if total <= room else None
            if entry is not None:
                return entry, total
        entry = self.entries.get((words[start],))
        return None if entry is None else (entry, 1)

    def at(self, words: Sequence[str], start: int) -> Iterator[tuple[Entry, int]]:
        """Yield every phrase that begins at a word, and how many words it has, short before long."""
        seconds = self.lengths.get(words[start])
        if seconds is None:
            return
        entry = self.entries.get((words[start],))
        if entry is not None:
            yield entry, 1
        room = len(words) - start
        for total in reversed(seconds.get(words[start + 1], ())) if room > 1 else ():
            entry = self.entries.get(tuple(words[start : start + total])) if total <= room else None
            if entry is not None:
                yield entry, total
