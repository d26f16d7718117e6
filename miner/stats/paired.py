"""Paired randomisation tests, vectorised, and their correction for many.

The test is Fisher's randomisation test for pairs (Fisher 1935, section 21). Pairs of one unit (a patient) are not
independent, and change sign together.
"""

from collections.abc import Sequence

import numpy as np

from cxr.miner.stats.resampling import AT_ONCE, Floats, Integers, unit_sums


def randomisation_tests(
    differences: Floats, rng: np.random.Generator, *, permutations: int = 10_000, units: Integers | None = None
) -> list[float | None]:
    """Return, for each column, the two-sided p-value of a paired randomisation test of its sum against zero.

    `differences` is pairs x measures, NaN where a pair has no value. If two models are alike, each pair's difference
    could as well have had the other sign. Where all assignments of signs are no more than `permutations`, every one
    is tried and the p-value is exact; else as many are drawn, the same for all columns, and
    p = (1 + at least as far from zero) / (1 + drawn), which never is zero (Phipson and Smyth 2010). The pairs of one
    unit change sign together. None for a column without any pair.
    """
    given = np.where(np.isnan(differences), 0.0, differences)
    if units is not None and len(given):
        given = unit_sums(given, units, int(units.max()) + 1)
    # Of the same numbers in another order, the sums differ in their last digits.
    reached = np.abs(given.sum(axis=0)) - 1e-12 * np.abs(given).sum(axis=0)
    moving = (given != 0).sum(axis=0)  # a difference of zero is the same with either sign
    few = 2.0**moving <= permutations
    found: list[float | None] = [None] * given.shape[1]
    for place in np.flatnonzero(few & ~np.isnan(differences).all(axis=0)):
        column = given[given[:, place] != 0, place]
        sums = np.abs(_all_signs(len(column)) @ column)
        found[place] = float(np.mean(sums >= reached[place]))
    drawn = np.flatnonzero(~few)
    if len(drawn):
        beyond = _beyond(given[:, drawn], reached[drawn], rng, permutations)
        for place, count in zip(drawn, beyond, strict=True):
            found[place] = (1 + int(count)) / (1 + permutations)
    return found


def _beyond(given: Floats, reached: Floats, rng: np.random.Generator, permutations: int) -> Integers:
    """Return, for each column, how many of the drawn assignments of signs have a sum at least as far from zero."""
    beyond = np.zeros(given.shape[1], dtype=np.int64)
    width = -(-len(given) // 8)  # bytes whose bits are the signs of one assignment
    block = max(1, AT_ONCE // len(given))
    for first in range(0, permutations, block):
        size = min(block, permutations - first)
        bits = np.frombuffer(rng.bytes(size * width), dtype=np.uint8).reshape(size, width)
        signs = 1.0 - 2.0 * np.unpackbits(bits, axis=1, count=len(given))
        beyond += (np.abs(signs @ given) >= reached).sum(axis=0)
    return beyond


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjusted p-values (Holm 1979), in the given order; None stays None and counts as no test."""
    tested = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        adjusted[place] = highest
    return adjusted


def _all_signs(count: int) -> Floats:
    """Return every assignment of signs to `count` differences: 2 ** count rows of 1 and -1."""
    rows = np.arange(2**count, dtype=np.int64)[:, None]
    return np.asarray(1.0 - 2.0 * ((rows >> np.arange(count)) & 1))
