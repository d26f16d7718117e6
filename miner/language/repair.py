"""Slips of typing and dictation: a word that is nearly one of the lexicon's, and two that are written as one."""

from functools import cache

from cxr.miner.language.entries import Role
from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.language.tokens import fold_compound

_SHORTEST = 7
"""Letters: of shorter words too many are one letter apart."""
_GLUED = int(Role.DENY_FORWARD | Role.SEVERITY | Role.SIDE)


def repaired(words: tuple[str, ...], written: str) -> tuple[str, ...]:
    """Return the words of a token as the lexicon knows them; as they are where it knows them or nothing near.

    A word of seven letters and more that is one letter away from one word of a finding is that word;
    a cue, degree or side that is written together with a finding is cut off ("noX").
    """
    if len(words) != 1 or len(written) < 5 or not written.isalpha() or words[0] in _vocabulary():
        return words
    near = _near(words[0]) if len(written) >= _SHORTEST else None
    return (near,) if near is not None else _cut(written) or words


@cache
def _vocabulary() -> frozenset[str]:
    return frozenset(word for phrase in load_lexicon().entries for word in phrase)


@cache
def _by_deletion() -> dict[str, frozenset[str]]:
    """Return the words of findings by what is left of them without one letter, and by themselves."""
    entries = load_lexicon().entries.values()
    words = {word for entry in entries if entry.concepts for word in entry.phrase if len(word) >= _SHORTEST}
    found: dict[str, set[str]] = {}
    for word in words:
        for key in _deletions(word):
            found.setdefault(key, set()).add(word)
    return {key: frozenset(words) for key, words in found.items()}


def _deletions(word: str) -> set[str]:
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


def _near(word: str) -> str | None:
    """Return the one word that a word becomes by one letter more, less, other or exchanged; None where several."""
    near = {known for key in _deletions(word) for known in _by_deletion().get(key, ())}
    near = {known for known in near if not (known.startswith(word) or word.startswith(known))}  # an inflection
    return near.pop() if len(near) == 1 else None


def _cut(written: str) -> tuple[str, ...]:
    """Return the words of "noX", "smallX": a cue and a finding; none for anything else."""
    entries = load_lexicon().entries
    for at in range(2, len(written) - 2):
        first = entries.get((written[:at],))
        if first is not None and first.roles & _GLUED:
            rest = fold_compound(written[at:])
            known = entries.get(rest)
            if known is not None and known.concepts:
                return (written[:at], *rest)
    return ()
