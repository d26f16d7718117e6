"""Slips of typing and dictation: a word that is nearly one of the lexicon's, and two that are written as one."""

from functools import cache
from itertools import chain

from cxr.miner.language.entries import Role
from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.language.tokens import fold_compound
from cxr.miner.pack import pack

_SHORTEST = 7
"""Letters: of shorter words too many are one letter apart."""
_GLUED = Role.DENY_FORWARD | Role.SEVERITY | Role.SIDE


def repaired(words: tuple[str, ...], written: str) -> tuple[str, ...]:
    """Return the words of a token as the lexicon knows them; as they are where it knows them or nothing near.

    A word of seven letters and more that is one letter away from one word of a finding is that word;
    a cue, degree or side that is written together with a finding is cut off ("noX").
    """
    if len(words) != 1 or len(written) < 5 or not written.isalpha() or words[0] in _vocabulary():
        return words
    if not {written, words[0]}.isdisjoint(pack().spelling.right):
        return words
    near = _near(words[0]) if len(written) >= _SHORTEST else None
    return (near,) if near is not None else _cut(written) or words


@cache
def _vocabulary() -> frozenset[str]:
    return frozenset(chain.from_iterable(load_lexicon().entries))


@cache
def _by_less() -> dict[str, tuple[str, ...]]:
    """Return the words of findings by themselves and by what is left of them without one letter.

    Two words that are one slip apart share such a form, which is asked for in no time (SymSpell, Garbe 2012).
    """
    entries = load_lexicon().entries.values()
    found: dict[str, tuple[str, ...]] = {}
    for word in {word for entry in entries if entry.concepts for word in entry.phrase if len(word) >= _SHORTEST}:
        for form in _less(word):
            found[form] = (*found[form], word) if form in found else (word,)
    return found


def _less(word: str) -> set[str]:
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


def _near(word: str) -> str | None:
    """Return the one word that a word becomes by one letter more, less, other or exchanged; None where several."""
    known = _by_less()
    near = {one for form in _less(word) for one in known.get(form, ()) if _one_slip(word, one)}
    return near.pop() if len(near) == 1 else None


def _one_slip(word: str, known: str) -> bool:
    """Return whether two words differ by one slip, and not by an ending."""
    if abs(len(word) - len(known)) > 1 or known.startswith(word) or word.startswith(known):
        return False
    first = next((at for at, (one, other) in enumerate(zip(word, known, strict=False)) if one != other), 0)
    rest, right = word[first:], known[first:]
    return rest[1:] in (right, right[1:]) or rest == right[1:] or (rest[:2] == right[1::-1] and rest[2:] == right[2:])


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
