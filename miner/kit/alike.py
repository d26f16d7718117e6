"""Texts that say nearly the same words: they share most of their word trigrams (Jaccard), by an exact search.

Two sets that share at least `near` of their members share one of the rarest of each: only those are looked up.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

NEAR = 0.8
"""The same as for reports that repeat each other in two splits (`cxr bench leakage`)."""
_WORDS = re.compile(r"\w+")
_AT_ONCE = 3


class Alike(NamedTuple):
    """The first text that one is nearly the same as, by its place, and how much of both is shared."""

    first: int
    similarity: float


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Return a text's word trigrams, without case and punctuation; those of a shorter text are all of its words."""
    words = _WORDS.findall(text.casefold())
    return frozenset(tuple(words[at : at + _AT_ONCE]) for at in range(max(len(words) - _AT_ONCE + 1, 1)))


def alike(texts: Sequence[str], near: float = NEAR) -> list[Alike | None]:
    """Return for each text the first one before it that it is nearly the same as; None where it is the first.

    Texts are compared with first ones alone, so that a group never drifts from the text that it began with.
    """
    frequency = Counter(shingle for text in texts for shingle in shingles(text))
    firsts: dict[int, frozenset[tuple[str, ...]]] = {}
    index: dict[tuple[str, ...], list[int]] = defaultdict(list)
    same: dict[str, Alike] = {}
    found: list[Alike | None] = []
    for at, text in enumerate(texts):
        if (known := same.get(text)) is not None:
            found.append(known)
            continue
        own = shingles(text)
        rarest = sorted(own, key=lambda shingle: (frequency[shingle], shingle))
        rarest = rarest[: len(own) - math.ceil(near * len(own)) + 1]
        match = _nearest(own, {first for shingle in rarest for first in index[shingle]}, firsts, near)
        found.append(match)
        same[text] = match or Alike(at, 1.0)
        if match is None:
            firsts[at] = own
            for shingle in rarest:
                index[shingle].append(at)
    return found


def _nearest(
    own: frozenset[tuple[str, ...]], others: Iterable[int], firsts: dict[int, frozenset[tuple[str, ...]]], near: float
) -> Alike | None:
    measured = (Alike(other, _shared(own, firsts[other])) for other in others)
    close = [each for each in measured if each.similarity >= near]
    return max(close, key=lambda each: (each.similarity, -each.first), default=None)


def _shared(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    both = len(one & other)
    return both / (len(one) + len(other) - both)


def groups(texts: Sequence[str], near: float = NEAR) -> Iterator[tuple[int, int, float]]:
    """Yield place, the place of its group's first text, and their similarity, for every text in a group of several."""
    found = alike(texts, near)
    led = {each.first for each in found if each is not None}
    for at, each in enumerate(found):
        if each is not None:
            yield at, each.first, each.similarity
        elif at in led:
            yield at, at, 1.0
