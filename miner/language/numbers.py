"""Which one of many a mention is at: "the left 4th to 6th Y", "Y 3 and 4", "L2"."""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise

from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.pack import pack
from cxr.miner.pack.positions import Numbered

_NAMES = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_ORDINALS = {word: number for number, word in enumerate(_NAMES.split(), start=1)}
_ENDS = frozenset({"st", "nd", "rd", "th"})
_UP_TO = frozenset({"to", "through", "thru"})
_JOINS = frozenset({"and", *_UP_TO, *_ENDS})
_LENGTHS = (["cm"], ["mm"])
_HIGHEST = 33
_WORDS = 12
"""As many words may stand between the first number and the noun."""


def numbers_of(words: Sequence[str], concept: str) -> tuple[str, ...]:
    """Return which of the pack's numbered structures the words around a mention name, as "noun:4"."""
    found: dict[str, None] = {}
    for numbered in _numbered().get(concept, ()):
        for noun in numbered.nouns:
            found |= dict.fromkeys(f"{numbered.name}:{number}" for number in _beside(words, noun))
        for letter, number in pairwise(words):
            if letter in numbered.letters and (value := _value(number)):
                found[f"{numbered.name}:{letter}{value}"] = None
    return tuple(found)


def _beside(words: Sequence[str], noun: str) -> list[int]:
    """Return the numbers before a noun ("4th through 6th Y") or, without these, behind it ("Y 4 to 6")."""
    if noun not in words:
        return []
    at = words.index(noun)
    before = list(words[max(0, at - _WORDS) : at])
    return _series(before) or _series(_leading(words[at + 1 : at + 1 + _WORDS]))


def _leading(words: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for word in words:
        if not (_value(word) or word in _JOINS):
            break
        kept.append(word)
    return kept


def _series(words: Sequence[str]) -> list[int]:
    """Return the numbers among words, a range written out."""
    numbers: list[int] = []
    up_to = False
    for at, word in enumerate(words):
        value = _value(word)
        if value and words[at + 1 : at + 2] not in _LENGTHS:
            numbers += range(numbers[-1] + 1, value + 1) if up_to and numbers else [value]
        up_to = word in _UP_TO or (up_to and word in _ENDS)
    return numbers


def _value(word: str) -> int:
    """Return the number that a word is; 0 for none, or for one that no structure has."""
    value = _ORDINALS.get(word, 0) or (int(word) if word.isdecimal() and len(word) <= 2 else 0)
    return value if value <= _HIGHEST else 0


@cache
def _numbered() -> dict[str, list[Numbered]]:
    descendants = load_lexicon().descendants
    found: dict[str, list[Numbered]] = {}
    for numbered in pack().relations.numbered:
        for concept in {kind for named in numbered.of for kind in descendants[named]}:
            found.setdefault(concept, []).append(numbered)
    return found
