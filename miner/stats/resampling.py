"""Means and sums with bootstrap intervals, by row or by cluster, vectorised.

A *unit* is what is drawn as a whole: a sample, a report with all of its findings, or a patient with all of theirs,
because what belongs together says less than as much that does not. Intervals are percentile intervals (Efron and
Tibshirani 1993, chapter 13).
"""

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Stream = np.random.Generator | np.random.RandomState
"""Where random numbers come from."""

AT_ONCE = 2_000_000
"""Draws that lie in memory at once: 2 million 8-byte numbers are 16 MB, and they are there a few times over."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval; all None where there is nothing to average, the ends alone with too few units.

    One unit says nothing about how much units differ.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


NO_ESTIMATE = Estimate(None)


def random_stream(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of a named part of the work: the same whatever else is computed, and in what order."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def mean(values: Floats) -> Floats:
    """Return the mean of each column of `values` (rows x measures) over the rows that have a value (are not NaN)."""
    counted = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(counted, values, 0.0).sum(axis=0) / counted.sum(axis=0))


def resampled_sums(totals: Floats, rng: Stream, *, resamples: int, alike: Integers | None = None) -> Floats:
    """Return the sum of each column in every bootstrap resample: resamples x columns.

    `totals` is units x columns; as many units as there are get drawn with replacement. Units that are alike in every
    number are interchangeable: `alike` says how many of them a row stands for, and drawing them so is the same draw
    in a fraction of the time (60,000 chains have a few dozen different patients).
    """
    sums = np.empty((resamples, totals.shape[1]))
    block = max(1, AT_ONCE // len(totals))
    for first in range(0, resamples, block):
        size = min(block, resamples - first)
        if alike is None:
            drawn = _drawn(rng, size, len(totals))
        else:
            drawn = rng.multinomial(int(alike.sum()), alike / alike.sum(), size=size).astype(np.float64)
        sums[first : first + size] = drawn @ totals
    return sums


def resampled_means(
    values: Floats, rng: Stream, *, resamples: int, units: Integers | None = None, count: int | None = None
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
    sums = resampled_sums(parts if units is None else unit_sums(parts, numbers, count), rng, resamples=resamples)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[:, :measures] / sums[:, measures:])


def unit_sums(values: Floats, units: Integers, count: int) -> Floats:
    """Return the column sums of every unit: units x columns."""
    columns = [np.bincount(units, weights=values[:, place], minlength=count) for place in range(values.shape[1])]
    return np.stack(columns, axis=1)


def interval(resampled: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Return the ends of the percentile interval of each column; resamples without a value (NaN) are left out."""
    tail = 100 * (1 - confidence) / 2
    defined = ~np.isnan(resampled).all(axis=0)
    low, high = np.full(resampled.shape[1], np.nan), np.full(resampled.shape[1], np.nan)
    if defined.any():
        low[defined], high[defined] = np.nanpercentile(resampled[:, defined], [tail, 100 - tail], axis=0)
    return low, high


def estimates(values: Floats, resampled: Floats, units: int, fewest: int = 2) -> list[Estimate]:
    """Return each measure's value with the interval of its resampled values; none where `units` are fewer than that."""
    low, high = interval(resampled)
    enough = units >= fewest
    return [
        NO_ESTIMATE
        if np.isnan(values[place])
        else Estimate(
            float(values[place]),
            float(low[place]) if enough and not np.isnan(low[place]) else None,
            float(high[place]) if enough and not np.isnan(high[place]) else None,
        )
        for place in range(len(values))
    ]


def bootstrap(values: Floats, rng: Stream, *, resamples: int, units: Integers | None = None) -> list[Estimate]:
    """Return the mean of each column of `values` (rows x measures) with its 95 % interval; NaN is no value."""
    count = len(values) if units is None else len(np.unique(units))
    return estimates(mean(values), resampled_means(values, rng, resamples=resamples, units=units), count)


def _drawn(rng: Stream, resamples: int, count: int) -> Floats:
    """Draw resamples of `count` units and give how often each was drawn: resamples x units."""
    if isinstance(rng, np.random.RandomState):  # as the standard library's `random.choices` draws
        drawn = (rng.random_sample((resamples, count)) * count).astype(np.int64)
    else:
        drawn = rng.integers(0, count, size=(resamples, count))
    drawn += np.arange(resamples)[:, None] * count
    return np.bincount(drawn.ravel(), minlength=resamples * count).reshape(resamples, count).astype(np.float64)
