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
    """Give the random numbers of a named part of the work: the same whatever else is computed, and in what order."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def mean(values: Floats) -> Floats:
    """Give the mean of each column of `values` (rows x measures) over the rows that have a value (are not NaN)."""
    counted = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(counted, values, 0.0).sum(axis=0) / counted.sum(axis=0))


def resampled_means(
    values: Floats, rng: np.random.Generator, *, resamples: int, units: Integers | None = None, count: int | None = None
) -> Floats:
    """Give the means of each column in every bootstrap resample, as an array of resamples x measures.

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
    """Give the ends of the percentile interval of each column; resamples without a value (NaN) are left out."""
    tail = 100 * (1 - confidence) / 2
    defined = ~np.isnan(means).all(axis=0)
    low, high = np.full(means.shape[1], np.nan), np.full(means.shape[1], np.nan)
    if defined.any():
        low[defined], high[defined] = np.nanpercentile(means[:, defined], [tail, 100 - tail], axis=0)
    return low, high


def estimates(means: Floats, resampled: Floats, units: int) -> list[Estimate]:
    """Give each measure's mean with the interval of its resampled means, drawn from so many units."""
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
    """Give the mean of each column of `values` (rows x measures) with its 95 % interval; NaN is no value."""
    count = len(values) if units is None else len(np.unique(units))
    return estimates(mean(values), resampled_means(values, rng, resamples=resamples, units=units), count)


def numbered(names: Sequence[object]) -> Integers:
    """Give names numbers from 0, in the order in which they first occur: the units of `resampled_means`."""
    known: dict[object, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def randomisation_test(
    differences: Floats, rng: np.random.Generator, *, permutations: int = 10_000, units: Integers | None = None
) -> float | None:
    """Give the two-sided p-value of a paired randomisation test of the sum of `differences` against zero.

    If two models are alike, each pair's difference could as well have had the other sign. Where all assignments of
    signs are no more than `permutations`, every one is tried and the p-value is exact; else as many are drawn and
    p = (1 + at least as far from zero) / (1 + drawn), which never is zero (Phipson and Smyth 2010). The pairs of one
    unit change sign together. None without any pair; NaN is no pair.
    """
    known = ~np.isnan(differences)
    if not known.any():
        return None
    given = differences[known]
    if units is not None:
        numbers = units[known]
        given = _sums(given[:, None], numbers, int(numbers.max()) + 1)[:, 0]
    moving = given[given != 0]  # a difference of zero is the same with either sign
    observed = abs(moving.sum())
    # Sums of the same numbers in another order differ in their last digits.
    reached = observed - 1e-12 * np.abs(moving).sum()
    if len(moving) < 63 and 2 ** len(moving) <= permutations:
        return float(np.mean(np.abs(_all_signs(len(moving)) @ moving) >= reached))
    beyond = 0
    block = max(1, _AT_ONCE // len(moving))
    for first in range(0, permutations, block):
        signs = rng.integers(0, 2, size=(min(block, permutations - first), len(moving)), dtype=np.int8)
        beyond += int((np.abs((2.0 * signs - 1.0) @ moving) >= reached).sum())
    return (1 + beyond) / (1 + permutations)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Give Holm's adjusted p-values (Holm 1979), in the given order; None stays None and counts as no test."""
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
    """Give the column sums of every unit: units x columns."""
    columns = [np.bincount(units, weights=values[:, place], minlength=count) for place in range(values.shape[1])]
    return np.stack(columns, axis=1)


def _all_signs(count: int) -> Floats:
    """Give every assignment of signs to `count` differences: 2 ** count rows of 1 and -1."""
    rows = np.arange(2**count, dtype=np.int64)[:, None]
    return np.asarray(1.0 - 2.0 * ((rows >> np.arange(count)) & 1))
