"""Who reads what, in which order: pure functions of ids and a seed, so that a draw can be told and made again."""

from collections.abc import Sequence
from itertools import combinations, cycle

from cxr.miner.kit.digest import digest

Queue = list[tuple[str, str]]
"""Items with their rounds, in the order in which a reader meets them."""


def queues(
    items: Sequence[str], training: Sequence[str], readers: Sequence[str], *, overlap: float, repeats: float, seed: int
) -> dict[str, Queue]:
    """Return every reader's queue.

    Of the items, `overlap` are read by two readers, pairs in turn, the rest by one, whoever has fewest. Each reader has
    an order of their own; `repeats` of their items come again, at least half a queue later; training comes first.
    """
    shared = round(overlap * len(items)) if len(readers) > 1 else 0
    own: dict[str, list[str]] = {reader: [] for reader in readers}
    for item, pair in zip(items[:shared], cycle(combinations(readers, 2)), strict=False):
        for reader in pair:
            own[reader].append(item)
    for item in _shuffled(items[shared:], seed, "whose"):
        min(own.values(), key=len).append(item)
    return {
        reader: [(item, "training") for item in training] + _with_repeats(_shuffled(mine, seed, reader), repeats, seed)
        for reader, mine in own.items()
    }


def _with_repeats(items: Sequence[str], share: float, seed: int) -> Queue:
    """Put some of the first half again into the second, each at least half a queue after it was there first."""
    queue = [(item, "first") for item in items]
    half = len(items) // 2
    places = {item: place for place, item in enumerate(items)}
    again = _shuffled(items[:half], seed, "again")[: round(share * len(items))]
    # From the back, so that an insertion moves nothing that is still to be placed.
    at = {item: places[item] + half + 1 + _draw(len(items) - places[item] - half, seed, item) for item in again}
    for item in sorted(again, key=lambda item: -at[item]):
        queue.insert(at[item], (item, "repeat"))
    return queue


def _shuffled(items: Sequence[str], seed: int, word: str) -> list[str]:
    return sorted(items, key=lambda item: digest("review", seed, word, item))


def _draw(below: int, seed: int, word: str) -> int:
    return int(digest("review", seed, "place", word), 16) % below
