"""How well two sets of labels agree: the share of equal labels, Cohen's kappa, confusion, and their intervals.

Findings of one report are not independent, so the bootstrap draws whole reports (clusters) with replacement.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from cxr.miner.stats.resampling import Estimate, Floats, estimates, resampled_sums, unit_sums


@dataclass(frozen=True)
class Agreement:
    """How well one set of labels agrees with another, over `n` items."""

    n: int
    accuracy: Estimate
    """The share of items with equal labels; nothing where there are no items."""
    kappa: Estimate
    """Cohen's kappa; nothing where chance alone agrees completely."""
    confusion: dict[str, dict[str, int]]
    """Gold label, then predicted label, to how often; every label that occurs on either side, sorted."""


def accuracies(tables: Floats) -> Floats:
    """Return the share of equal labels in each confusion table (n x labels x labels); NaN in an empty one."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.trace(tables, axis1=1, axis2=2) / tables.sum(axis=(1, 2)))


def kappas(tables: Floats) -> Floats:
    """Return Cohen's kappa (Cohen 1960) of each confusion table (n x labels x labels).

    It is agreement beyond what the two label frequencies give by chance; NaN where there are no items, or where both
    sides used one and the same label throughout, so that chance alone agrees completely and kappa is 0 / 0.
    """
    observed = accuracies(tables)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_chance = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / tables.sum(axis=(1, 2)) ** 2
        return np.asarray(np.where(by_chance < 1, (observed - by_chance) / (1 - by_chance), np.nan))


def agreement(
    gold: Sequence[str],
    predicted: Sequence[str],
    *,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Return how well two label lists agree; `clusters` names the report of each item (by default all are apart).

    The draws are those of the standard library's generator. Raises ValueError when the lists differ in length.
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
    labels = sorted({*gold, *predicted})
    if not labels:
        return Agreement(0, Estimate(None), Estimate(None), {})
    places = {label: place for place, label in enumerate(labels)}
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    cells = np.zeros((len(gold), len(labels) ** 2))
    pairs = [places[one] * len(labels) + places[two] for one, two in zip(gold, predicted, strict=True)]
    cells[np.arange(len(gold)), pairs] = 1
    totals = unit_sums(cells, np.array([numbers[name] for name in names]), len(numbers))
    shape = (-1, len(labels), len(labels))
    whole = totals.sum(axis=0).reshape(shape)
    drawn = resampled_sums(totals, np.random.RandomState([seed]), resamples=resamples).reshape(shape)
    share, kappa = (
        estimates(measure(whole), measure(drawn)[:, None], len(numbers))[0] for measure in (accuracies, kappas)
    )
    counts = whole[0].astype(int).tolist()
    table = {label: dict(zip(labels, row, strict=True)) for label, row in zip(labels, counts, strict=True)}
    return Agreement(len(gold), share, kappa, table)
