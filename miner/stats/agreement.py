"""How well two sets of labels agree: accuracy, Cohen's kappa, confusion, and bootstrap intervals.

Pure functions on lists of labels. Findings of one report are not independent, so the bootstrap draws
whole reports (clusters) with replacement; the intervals are percentile intervals (Efron and Tibshirani
1993, chapter 13).
"""

import random
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeAlias

from pydantic import Field

from cxr.schemas import Frozen

Pair: TypeAlias = tuple[str, str]
Counts: TypeAlias = Counter[Pair]


class Interval(Frozen):
    """A percentile bootstrap interval, both ends included."""

    low: float
    high: float


class Agreement(Frozen):
    """How well one set of labels agrees with another, over `n` items."""

    n: int = Field(ge=0)
    accuracy: float | None = Field(description="share of items with equal labels; None when there are none")
    kappa: float | None = Field(description="Cohen's kappa; None when chance agreement is already complete")
    accuracy_interval: Interval | None = None
    kappa_interval: Interval | None = None
    confusion: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="gold label -> predicted label -> how often"
    )


def accuracy(counts: Mapping[Pair, int]) -> float | None:
    """Return the share of items whose two labels are equal, or None when there are no items."""
    total = sum(counts.values())
    if total == 0:
        return None
    return sum(count for (gold, predicted), count in counts.items() if gold == predicted) / total


def cohen_kappa(counts: Mapping[Pair, int]) -> float | None:
    """Return Cohen's kappa (Cohen 1960): agreement beyond what the two label frequencies give by chance.

    None when there are no items, or when both sides used one and the same label throughout, so that
    chance alone agrees completely and kappa is 0 / 0.
    """
    observed = accuracy(counts)
    if observed is None:
        return None
    total = sum(counts.values())
    gold_totals: Counter[str] = Counter()
    predicted_totals: Counter[str] = Counter()
    for (gold, predicted), count in counts.items():
        gold_totals[gold] += count
        predicted_totals[predicted] += count
    expected = sum(gold_totals[label] * predicted_totals[label] for label in gold_totals) / (total * total)
    if expected == 1.0:
        return None
    return (observed - expected) / (1.0 - expected)


def confusion(counts: Mapping[Pair, int]) -> dict[str, dict[str, int]]:
    """Return gold label -> predicted label -> count, with every label that occurs on either side, sorted."""
    labels = sorted({label for pair in counts for label in pair})
    return {gold: {predicted: counts.get((gold, predicted), 0) for predicted in labels} for gold in labels}


def bootstrap_interval(
    clusters: Sequence[Counts],
    statistic: Callable[[Counts], float | None],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Return the percentile interval of a statistic of label pairs, drawing clusters with replacement.

    Resamples in which the statistic is undefined are left out. None when fewer than two clusters exist,
    because one report says nothing about how much reports differ.
    """
    if len(clusters) < 2:
        return None
    # A fixed seed makes the printed interval repeatable; nothing here needs to be secret.
    rng = random.Random(seed)  # noqa: S311
    values = []
    for _ in range(resamples):
        drawn: Counts = Counter()
        for cluster in rng.choices(clusters, k=len(clusters)):
            for pair, count in cluster.items():
                drawn[pair] += count
        value = statistic(drawn)
        if value is not None:
            values.append(value)
    if not values:
        return None
    values.sort()
    tail = (1.0 - confidence) / 2.0
    return Interval(low=_quantile(values, tail), high=_quantile(values, 1.0 - tail))


def agreement(
    gold: Sequence[str],
    predicted: Sequence[str],
    *,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Compare two equally long label lists; `clusters` names the report of each item (default: all apart).

    Raises ValueError when the lists differ in length.
    """
    if len(gold) != len(predicted):
        raise ValueError(
            f"gold has {len(gold)} labels and predicted has {len(predicted)}; give one label per item on each side"
        )
    names: Sequence[Hashable] = clusters if clusters is not None else range(len(gold))
    if len(names) != len(gold):
        raise ValueError(
            f"{len(names)} cluster names were given for {len(gold)} labels; give one name per item, or none"
        )
    per_cluster: dict[Hashable, Counts] = {}
    for name, pair in zip(names, zip(gold, predicted, strict=True), strict=True):
        per_cluster.setdefault(name, Counter())[pair] += 1
    counts: Counts = Counter(zip(gold, predicted, strict=True))
    groups = list(per_cluster.values())
    return Agreement(
        n=len(gold),
        accuracy=accuracy(counts),
        kappa=cohen_kappa(counts),
        accuracy_interval=bootstrap_interval(groups, accuracy, resamples=resamples, seed=seed),
        kappa_interval=bootstrap_interval(groups, cohen_kappa, resamples=resamples, seed=seed),
        confusion=confusion(counts),
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Return the linearly interpolated quantile of sorted values (the default rule of R and NumPy)."""
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
