"""Bootstrap intervals and paired randomisation tests of means, vectorised.

A *unit* is what is drawn or flipped as a whole: a sample, or a patient with all of their samples, because samples of
one patient are not independent. Intervals are percentile intervals (Efron and Tibshirani 1993, chapter 13); the test
is Fisher's randomisation test for pairs (Fisher 1935, section 21).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Draws that lie in memory at once: 2 million 8-byte numbers are 16 MB, and they are there a few times over.
_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval; all None where there is nothing to average, the ends alone with fewer than two units.

    One unit says nothing about how much units differ.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


NOTHING = Estimate(None)


def random_stream(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of a named part of the work: the same whatever else is computed, and in what order."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def mean(values: Floats) -> Floats:
    """Return the mean of each column of `values` (rows x measures) over the rows that have a value (are not NaN)."""
    counted = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(counted, values, 0.0).sum(axis=0) / counted.sum(axis=0))


def resampled_means(
    values: Floats, rng: np.random.Generator, *, resamples: int, units: Integers | None = None, count: int | None = None
) -> Floats:
    """Return the means of each column in every bootstrap resample, as an array of resamples x measures.

    `values` is rows x measures, NaN where a row has no value. `units` numbers the unit of each row from 0; by default
    every row is its own. Of the `count` units there are (by default those that have a row) as many are drawn with
    replacement. NaN where a resample has no value.
    """
    numbers = np.arange(len(values)) if units is None else units
    if count is None:
        count = int(numbers.max()) + 1 if len(numbers) else 0
    measures = values.shape[1]
    if count == 0:
        return np.full((resamples, measures), np.nan)
    counted = ~np.isnan(values)
    parts = np.concatenate([np.where(counted, values, 0.0), counted.astype(np.float64)], axis=1)
    totals = parts if units is None else _sums(parts, numbers, count)
    means = np.empty((resamples, measures))
    block = max(1, _AT_ONCE // count)
    for first in range(0, resamples, block):
        drawn = _draw(rng, min(block, resamples - first), count) @ totals
        with np.errstate(invalid="ignore", divide="ignore"):
            means[first : first + block] = drawn[:, :measures] / drawn[:, measures:]
    return means


def interval(means: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Return the ends of the percentile interval of each column; resamples without a value (NaN) are left out."""
    tail = 100 * (1 - confidence) / 2
    defined = ~np.isnan(means).all(axis=0)
    low, high = np.full(means.shape[1], np.nan), np.full(means.shape[1], np.nan)
    if defined.any():
        low[defined], high[defined] = np.nanpercentile(means[:, defined], [tail, 100 - tail], axis=0)
    return low, high


def estimates(means: Floats, resampled: Floats, units: int) -> list[Estimate]:
    """Return each measure's mean with the interval of its resampled means, drawn from so many units."""
    low, high = interval(resampled)
    enough = units > 1
    return [
        NOTHING
        if np.isnan(means[place])
        else Estimate(
            float(means[place]),
            float(low[place]) if enough and not np.isnan(low[place]) else None,
            float(high[place]) if enough and not np.isnan(high[place]) else None,
        )
        for place in range(len(means))
    ]


def bootstrap(
    values: Floats, rng: np.random.Generator, *, resamples: int, units: Integers | None = None
) -> list[Estimate]:
    """Return the mean of each column of `values` (rows x measures) with its 95 % interval; NaN is no value."""
    count = len(values) if units is None else len(np.unique(units))
    return estimates(mean(values), resampled_means(values, rng, resamples=resamples, units=units), count)


def randomisation_tests(
    differences: Floats, rng: np.random.Generator, *, permutations: int = 10_000, units: Integers | None = None
) -> list[float | None]:
    """Give, for each column, the two-sided p-value of a paired randomisation test of its sum against zero.

    `differences` is pairs x measures, NaN where a pair has no value. If two models are alike, each pair's difference
    could as well have had the other sign. Where all assignments of signs are no more than `permutations`, every one
    is tried and the p-value is exact; else as many are drawn, the same for all columns, and
    p = (1 + at least as far from zero) / (1 + drawn), which never is zero (Phipson and Smyth 2010). The pairs of one
    unit change sign together. None for a column without any pair.
    """
    given = np.where(np.isnan(differences), 0.0, differences)
    if units is not None and len(given):
        given = _sums(given, units, int(units.max()) + 1)
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
    """Count, for each column, the drawn assignments of signs whose sum is at least as far from zero."""
    beyond = np.zeros(given.shape[1], dtype=np.int64)
    width = -(-len(given) // 8)  # bytes whose bits are the signs of one assignment
    block = max(1, _AT_ONCE // len(given))
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


def _draw(rng: np.random.Generator, resamples: int, count: int) -> Floats:
    """Draw resamples of `count` units and give how often each was drawn: resamples x units."""
    drawn = rng.integers(0, count, size=(resamples, count))
    drawn += np.arange(resamples)[:, None] * count
    return np.bincount(drawn.ravel(), minlength=resamples * count).reshape(resamples, count).astype(np.float64)


def _sums(values: Floats, units: Integers, count: int) -> Floats:
    """Return the column sums of every unit: units x columns."""
    columns = [np.bincount(units, weights=values[:, place], minlength=count) for place in range(values.shape[1])]
    return np.stack(columns, axis=1)


def _all_signs(count: int) -> Floats:
    """Return every assignment of signs to `count` differences: 2 ** count rows of 1 and -1."""
    rows = np.arange(2**count, dtype=np.int64)[:, None]
    return np.asarray(1.0 - 2.0 * ((rows >> np.arange(count)) & 1))
