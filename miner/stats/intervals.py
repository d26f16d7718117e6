"""95 % intervals of shares and of agreement: percentile bootstrap over patients, at the size of a whole store.

Chains of one patient are not independent, so whole patients are drawn with replacement (Efron and Tibshirani 1993,
chapter 13). Patients that are alike in every number are interchangeable: drawing from the distinct ones with their
counts is the same draw, and takes a fraction of a second for 60,000 chains.
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
FEWEST = 5
"""With fewer patients an interval would say more than is known."""

_CHUNK = 50


def resampled_sums(patterns: Array, counts: Array, *, resamples: int, seed: int) -> Array:
    """Draw as many clusters as there are, again and again; give the sum of their numbers: resamples x numbers.

    `patterns` is distinct clusters x numbers, `counts` says how many clusters are like each.
    """
    rng = np.random.default_rng(seed)
    shares = counts / counts.sum()
    drawn = [
        rng.multinomial(int(counts.sum()), shares, size=min(_CHUNK, resamples - start)) @ patterns
        for start in range(0, resamples, _CHUNK)
    ]
    return np.concatenate(drawn)


def percentiles(values: Array) -> tuple[float, float] | None:
    """Return the 2.5th and the 97.5th percentile of what is finite; None where nothing is."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def mean_interval(patterns: Array, counts: Array, *, resamples: int, seed: int) -> tuple[float, float] | None:
    """Return the interval of a mean; a pattern is (sum of the values, number of values) of one cluster."""
    if counts.sum() < FEWEST:
        return None
    sums = resampled_sums(patterns, counts, resamples=resamples, seed=seed)
    return percentiles(sums[:, 0] / sums[:, 1])


def kappas(tables: Array, labels: int) -> Array:
    """Return Cohen's kappa of flattened confusion tables (n x labels²); NaN where chance alone agrees completely."""
    square = tables.reshape(-1, labels, labels)
    total = square.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.trace(square, axis1=1, axis2=2) / total
        expected = (square.sum(axis=1) * square.sum(axis=2)).sum(axis=1) / total**2
        return np.asarray(np.where(expected < 1, (observed - expected) / (1 - expected), np.nan), dtype=np.float64)


def kappa_interval(
    patterns: Array, counts: Array, labels: int, *, resamples: int, seed: int
) -> tuple[float, float] | None:
    """Return the interval of Cohen's kappa; a pattern is the flattened confusion table of one cluster."""
    if counts.sum() < FEWEST:
        return None
    return percentiles(kappas(resampled_sums(patterns, counts, resamples=resamples, seed=seed), labels))
