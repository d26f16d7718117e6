"""How well readers agree, on scores and on verdicts, and each with themselves; bootstrap intervals by patient.

Ratings are items x readers, NaN where a reader has no score. Every measure here is a function of sums over items, so a
resample of patients costs a product of matrices. It is nothing (None) where it is undefined: with no item that two
readers share, or where all scores are one and the same number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations

import numpy as np

from cxr.miner.stats.resampling import (
    NO_ESTIMATE,
    Estimate,
    Floats,
    Integers,
    bootstrap,
    estimates,
    random_stream,
    resampled_sums,
    unit_sums,
)

WITHIN_LIMITS = 1.959963984540054
"""So many standard deviations to either side hold 95 % of a normal distribution."""


class Level(StrEnum):
    """What the distance of two scores means: their difference, or how many scores lie between them."""

    INTERVAL = "interval"
    ORDINAL = "ordinal"


@dataclass(frozen=True)
class Drawing:
    """How intervals are drawn: resamples, the seed, the name of the draw, and the fewest patients that have one."""

    resamples: int = 1000
    seed: int = 0
    name: str = ""
    fewest: int = 2

    def named(self, *names: str) -> "Drawing":
        """Return the same under another name, so that no measure depends on which others are computed."""
        return replace(self, name="/".join(names))

    def mean(self, values: Floats, patients: Integers) -> Estimate:
        """Return the mean of `values`, with the interval that drawing patients gives; NaN is no value."""
        rng = random_stream(self.seed, self.name)
        (found,) = bootstrap(values[:, None], rng, resamples=self.resamples, units=_numbered(patients))
        return found if len(np.unique(patients)) >= self.fewest else Estimate(found.value)

    def estimates(self, parts: Floats, patients: Integers, measure: "Measure") -> list[Estimate]:
        """Return the measures of the sums of `parts` (items x columns), with the intervals that patients give."""
        numbers = _numbered(patients)
        totals = unit_sums(parts, numbers, int(numbers.max()) + 1)
        drawn = resampled_sums(totals, random_stream(self.seed, self.name), resamples=self.resamples)
        return estimates(measure(totals.sum(axis=0)[None])[0], measure(drawn), len(totals), self.fewest)


Measure = Callable[[Floats], Floats]
"""Sums (draws x columns) to measures (draws x measures); NaN where one is undefined."""


@dataclass(frozen=True)
class Intraclass:
    """ICC(2,1) and ICC(2,k) over the `items` that all `readers` scored."""

    items: int
    readers: int
    single: Estimate = NO_ESTIMATE
    """How well one reader's score stands for an item."""
    average: Estimate = NO_ESTIMATE
    """How well the mean of all these readers does."""


@dataclass(frozen=True)
class Limits:
    """Bland and Altman's limits of agreement of a second score with a first, over the `items` that have both."""

    items: int
    difference: Estimate = NO_ESTIMATE
    """The second less the first, on average."""
    low: Estimate = NO_ESTIMATE
    high: Estimate = NO_ESTIMATE


@dataclass(frozen=True)
class Retest:
    """How a reader's two scores of the same items compare, the second less the first."""

    items: int
    same: Estimate
    """The share of scores that are the same number again."""
    alpha: Estimate
    """Krippendorff's alpha, interval, of the two rounds."""
    limits: Limits


def krippendorff_alpha(ratings: Floats, level: Level, patients: Integers, drawing: Drawing) -> Estimate:
    """Return Krippendorff's alpha of ratings (items x readers; NaN is missing) with its interval by patient.

    It is 1 less the observed over the expected disagreement: 1 is full agreement, 0 what chance gives (Krippendorff
    2011, "Computing Krippendorff's alpha-reliability"). An item counts with two scores or more.
    """
    pairable = (~np.isnan(ratings)).sum(axis=1) >= 2
    ratings, patients = ratings[pairable], patients[pairable]
    if not len(ratings):
        return NO_ESTIMATE
    scores, counts, pairs, weights = _coincidences(ratings)
    kinds = len(scores)

    def measure(sums: Floats) -> Floats:
        return _alphas(sums[:, :kinds], sums[:, kinds:], pairs, scores, level)[:, None]

    return drawing.estimates(np.concatenate([counts, weights], axis=1), patients, measure)[0]


def _coincidences(ratings: Floats) -> tuple[Floats, Floats, Integers, Floats]:
    """Return the scores there are, how often an item has each, the pairs of unequal scores, and their weights.

    Counts are items x scores, weights items x pairs: an item with m scores gives every ordered pair 1 / (m - 1).
    Pairs of equal scores never disagree and are left out.
    """
    given = ~np.isnan(ratings)
    scores, flat = np.unique(ratings[given], return_inverse=True)
    places = np.full(ratings.shape, -1)
    places[given] = flat
    counts = np.stack([(places == place).sum(axis=1) for place in range(len(scores))], axis=1).astype(np.float64)
    of_pair: dict[tuple[int, int], int] = {}
    found: list[tuple[int, int, float]] = []
    for item, row in enumerate(places):
        there = row[row >= 0]
        for one, two in combinations(sorted(there.tolist()), 2):
            if one != two:
                found.append((item, of_pair.setdefault((one, two), len(of_pair)), 2.0 / (len(there) - 1)))
    weights = np.zeros((len(ratings), len(of_pair)))
    for item, pair, weight in found:
        weights[item, pair] += weight
    return scores, counts, np.array(list(of_pair), dtype=np.int64).reshape(-1, 2), weights


def _alphas(counts: Floats, weights: Floats, pairs: Integers, scores: Floats, level: Level) -> Floats:
    """Return alpha for each draw: counts are draws x scores, weights draws x pairs.

    On the ordinal level two scores are as far apart as their middle ranks among all scores of the draw.
    """
    ranks = np.cumsum(counts, axis=1) - counts / 2
    scale = ranks if level is Level.ORDINAL else np.broadcast_to(scores, counts.shape)
    total = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = (counts * scale).sum(axis=1) / total
        expected = 2 * total * (counts * (scale - centre[:, None]) ** 2).sum(axis=1)
        observed = (weights * (scale[:, pairs[:, 0]] - scale[:, pairs[:, 1]]) ** 2).sum(axis=1)
        several = (counts > 0).sum(axis=1) > 1
        return np.asarray(np.where(several, 1 - (total - 1) * observed / expected, np.nan))


def intraclass(ratings: Floats, patients: Integers, drawing: Drawing) -> Intraclass:
    """Return ICC(2,1) and ICC(2,k) (Shrout and Fleiss 1979): readers are a sample, and their level counts.

    Two-way random effects, absolute agreement, over the items that every reader scored.
    """
    whole = ~np.isnan(ratings).any(axis=1)
    ratings, patients = ratings[whole], patients[whole]
    items, readers = ratings.shape
    if items < 2 or readers < 2:
        return Intraclass(items, readers)
    centred = ratings - ratings.mean()  # the sums of squares keep their digits
    squares = np.stack([np.ones(items), (centred**2).sum(axis=1), centred.sum(axis=1) ** 2], axis=1)
    single, average = drawing.estimates(np.concatenate([squares, centred], axis=1), patients, _intraclasses)
    return Intraclass(items, readers, single, average)


def _intraclasses(sums: Floats) -> Floats:
    """Return ICC(2,1) and ICC(2,k) for each draw: columns are items, squares, squares of rows, and each reader."""
    items, squares, rows, columns = sums[:, 0], sums[:, 1], sums[:, 2], sums[:, 3:]
    readers = columns.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = columns.sum(axis=1) ** 2 / (items * readers)
        between_items = rows / readers - middle
        between_readers = (columns**2).sum(axis=1) / items - middle
        rest = np.maximum(squares - middle - between_items - between_readers, 0)
        item = between_items / (items - 1)
        reader = between_readers / (readers - 1)
        error = rest / ((items - 1) * (readers - 1))
        of_readers = (reader - error) / items
        single = (item - error) / (item + (readers - 1) * error + readers * of_readers)
        average = (item - error) / (item + of_readers)
    found = np.stack([single, average], axis=1)
    return np.where(np.isfinite(found) & (squares - middle > 1e-9)[:, None], found, np.nan)


def limits_of_agreement(first: Floats, second: Floats, patients: Integers, drawing: Drawing) -> Limits:
    """Return the mean of second less first, and where 95 % of such differences lie (Bland and Altman 1986)."""
    differences = second - first
    both = ~np.isnan(differences)
    differences, patients = differences[both], patients[both]
    if len(differences) < 2:
        return Limits(len(differences))
    parts = np.stack([np.ones(len(differences)), differences, differences**2], axis=1)
    return Limits(len(differences), *drawing.estimates(parts, patients, _limits))


def _limits(sums: Floats) -> Floats:
    """Return the mean and the two limits for each draw: columns are how many, their sum, and that of their squares."""
    many, total, squares = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / many
        apart = WITHIN_LIMITS * np.sqrt(np.maximum(squares - total * mean, 0) / (many - 1))
    return np.stack([mean, mean - apart, mean + apart], axis=1)


def retest(first: Floats, second: Floats, patients: Integers, drawing: Drawing) -> Retest:
    """Return how well readers agree with themselves: `first` and `second` are scores of the same items, in order."""
    both = ~np.isnan(second - first)
    first, second, patients = first[both], second[both], patients[both]
    return Retest(
        len(first),
        drawing.named(drawing.name, "same").mean((first == second).astype(np.float64), patients),
        krippendorff_alpha(
            np.stack([first, second], axis=1), Level.INTERVAL, patients, drawing.named(drawing.name, "alpha")
        ),
        limits_of_agreement(first, second, patients, drawing.named(drawing.name, "limits")),
    )


def weighted_kappa(
    first: Sequence[str], second: Sequence[str], order: Sequence[str], patients: Integers, drawing: Drawing
) -> Estimate:
    """Return Cohen's kappa with linear weights (Cohen 1968) of two readers' verdicts, which stand in `order`.

    Verdicts that are neighbours in the order disagree least. Raises ValueError for one that is not in the order.
    """
    places = {verdict: place for place, verdict in enumerate(order)}
    if strange := {*first, *second} - places.keys():
        raise ValueError(f"{', '.join(sorted(strange))} stands in no order of verdicts; expected {', '.join(order)}")
    if not len(first):
        return NO_ESTIMATE
    kinds = len(order)
    cells = np.zeros((len(first), kinds * kinds))
    pairs = [places[one] * kinds + places[two] for one, two in zip(first, second, strict=True)]
    cells[np.arange(len(first)), pairs] = 1
    apart = np.abs(np.subtract.outer(np.arange(kinds), np.arange(kinds)))

    def measure(sums: Floats) -> Floats:
        tables = sums.reshape(-1, kinds, kinds)
        chance = np.einsum("ni,nj->nij", tables.sum(axis=2), tables.sum(axis=1))
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = (chance * apart).sum(axis=(1, 2)) / tables.sum(axis=(1, 2))
            found = 1 - (tables * apart).sum(axis=(1, 2)) / expected
        return np.where(expected > 0, found, np.nan)[:, None]

    return drawing.estimates(cells, patients, measure)[0]


def _numbered(patients: Integers) -> Integers:
    """Return the patients numbered from 0 without a gap: who has no row is not drawn."""
    return np.unique(patients, return_inverse=True)[1].astype(np.int64)
