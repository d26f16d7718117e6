"""The measures of an evaluation, from counts of findings to means with intervals.

The three shares are RadRScore's (paper, section 2): factuality is correct / predicted, completeness recalled /
reference, effectiveness effective / (effective + ineffective), and RadRScore their mean, sample by sample.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from cxr.miner.judge.radrscore import Empty
from cxr.miner.stats.resampling import Estimate, Floats
from cxr.schemas.measures import COMPLETENESS, EFFECTIVENESS, FACTUALITY


@dataclass(frozen=True)
class FindingCounts:
    """What a judge counted in each sample, one array entry per sample; NaN where a sample has no reasoning to judge."""

    n_pred: Floats
    n_correct: Floats
    n_gt: Floats
    n_recalled: Floats
    n_effective: Floats
    n_ineffective: Floats

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> "FindingCounts":
        """Take the counts out of rows that name them; None is NaN."""
        return cls(**{name: np.array([row[name] for row in rows], dtype=np.float64) for name in COUNTS})

    def __len__(self) -> int:
        return len(self.n_pred)


COUNTS = tuple(field.name for field in fields(FindingCounts))


def radrscore_shares(counts: FindingCounts, empty: Empty = Empty.ZERO) -> Floats:
    """Return factuality, completeness, effectiveness and RadRScore of every sample: samples x 4.

    A share of nothing is 0, or NaN (no value) where empty ones are skipped; RadRScore has no value where any of its
    parts has none. A sample without counts (NaN) has no values. Counts are taken as they are: a share of more correct
    findings than there are findings is above 1.
    """
    parts = [
        _share(counts.n_correct, counts.n_pred, empty),
        _share(counts.n_recalled, counts.n_gt, empty),
        _share(counts.n_effective, counts.n_effective + counts.n_ineffective, empty),
    ]
    return np.stack([*parts, sum(parts) / 3.0], axis=1)


def _share(part: Floats, whole: Floats, empty: Empty) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        share = part / whole
    share[whole == 0] = 0.0 if empty is Empty.ZERO else np.nan
    return np.asarray(share)


def empty_shares(counts: FindingCounts) -> dict[str, int]:
    """Count, for each share, the samples in which there is nothing to count."""
    wholes = (counts.n_pred, counts.n_gt, counts.n_effective + counts.n_ineffective)
    names = (FACTUALITY, COMPLETENESS, EFFECTIVENESS)
    return {name: int((whole == 0).sum()) for name, whole in zip(names, wholes, strict=True)}


@dataclass(frozen=True)
class ResultLine:
    """One line of a table: whose results on what, over how many samples, and its measures."""

    keys: Mapping[str, Any]
    """What the line is about, in the order of the columns: model, task, ... and numbers of samples."""
    measures: Mapping[str, Estimate]
