"""`cxr audit`: labels by others, set against ours by finding."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from cxr.miner.audit.settings import AuditSettings
from cxr.miner.kit.errors import SettingsError
from cxr.miner.kit.settings import nearest
from cxr.miner.kit.sql import read_sql
from cxr.miner.language.labeler import LABELER
from cxr.miner.stats.agreement import accuracies, kappas
from cxr.miner.stats.resampling import Estimate, estimates, random_stream, resampled_sums
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.audit")

VALUES = ("1", "0", "-1", "none")
"""What a labeler can say of a finding: present, absent, uncertain, not mentioned."""


class Compared(NamedTuple):
    """One finding by us and by another labeler: studies, equal values, and kappa of the four values."""

    labeler: str
    finding: str
    studies: int
    agreement: Estimate
    kappa: Estimate
    ours_alone: int
    """Studies in which it is present by us alone."""
    theirs_alone: int
    opposite: int
    """Of these, studies in which one says present and the other absent."""


class Difference(NamedTuple):
    """In how many studies we say one thing of a finding and another labeler says another."""

    labeler: str
    finding: str
    ours: str
    theirs: str
    studies: int


@dataclass(frozen=True)
class Audit:
    """Every finding by every other labeler, and who differs how, most often first."""

    compared: tuple[Compared, ...]
    differences: tuple[Difference, ...]


COLUMNS = (
    *("finding", "studies", "agreement", "low", "high", "kappa", "low", "high"),
    *("present: ours alone", "theirs alone", "of these, absent by the other"),
)
"""The columns of `by_labeler`'s rows."""


def by_labeler(result: Audit) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
    """Return the rows of a table for each labeler."""
    for labeler in dict.fromkeys(each.labeler for each in result.compared):
        rows: list[tuple[object, ...]] = []
        for each in result.compared:
            if each.labeler == labeler:
                numbers = [end for one in (each.agreement, each.kappa) for end in (one.value, one.low, one.high)]
                counts = (each.ours_alone, each.theirs_alone, each.opposite)
                rows.append((each.finding, each.studies, *numbers, *counts))
        yield labeler, rows


def other_labelers(store: Store, named: tuple[str, ...]) -> list[str]:
    """Return those of the labelers that were named, by default all but ours.

    Raises SettingsError for ours, and for one that the store has no labels by.
    """
    known = [name for (name,) in store.rows("select distinct labeler from labels order by 1")]
    others = [name for name in known if name != LABELER]
    for name in named:
        if name == LABELER:
            raise SettingsError(
                f"{LABELER!r} is our own reader, and no other labeler; name some of {', '.join(others)}"
            )
        if name not in others:
            there = ", ".join(others) or "labels by nobody else"
            raise SettingsError(f"no labels by {name!r} in this store; it has {there}{nearest(name, others)}")
    return list(named or others)


def audit(store: Store, settings: AuditSettings) -> Audit:
    """Compare labels by others with ours, over the studies that both labeled; intervals are over patients.

    Makes the temporary table `side_by_side`. Raises SettingsError where there is nothing to compare.
    """
    others = other_labelers(store, settings.labelers)
    store.connection.execute(_SQL["side_by_side"], {"ours": LABELER, "others": others})
    if not others or not store.count("select count(*) from side_by_side"):
        raise SettingsError(
            "audit: no study has labels by us and by somebody else; ingest a corpus that ships labels with --label"
        )
    compared: list[Compared] = []
    differences: Counter[tuple[str, str, str, str]] = Counter()
    for labeler in others:
        cells = store.frame(_SQL["cells"], {"values": list(VALUES), "labeler": labeler})
        for (finding,), part in cells.group_by("finding", maintain_order=True):
            tables = _tables(part)
            compared.append(_compare(labeler, str(finding), tables, settings))
            total = tables.sum(axis=0).reshape(len(VALUES), len(VALUES))
            for first, second in zip(*np.nonzero(total), strict=True):
                if first != second:
                    key = (labeler, str(finding), VALUES[first], VALUES[second])
                    differences[key] += int(total[first, second])
    return Audit(tuple(compared), tuple(Difference(*key, number) for key, number in differences.most_common()))


def _tables(cells: pl.DataFrame) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return a flat table of ours by theirs for each patient."""
    patients = cells["patient"].rank("dense").to_numpy().astype(np.int64) - 1
    tables = np.zeros((int(patients.max()) + 1, len(VALUES) ** 2))
    flat = cells["first"].to_numpy() * len(VALUES) + cells["second"].to_numpy()
    np.add.at(tables, (patients, flat.astype(np.int64)), cells["cells"].to_numpy())
    return tables


def _compare(
    labeler: str, finding: str, tables: np.ndarray[tuple[int, int], np.dtype[np.float64]], settings: AuditSettings
) -> Compared:
    patterns, alike = np.unique(tables, axis=0, return_counts=True)
    stream = random_stream(settings.seed, f"audit {labeler} {finding}")
    shape = (-1, len(VALUES), len(VALUES))
    drawn = resampled_sums(patterns, stream, resamples=settings.resamples, alike=alike).reshape(shape)
    whole = tables.sum(axis=0).reshape(shape)
    share, kappa = (
        estimates(measure(whole), measure(drawn)[:, None], len(tables))[0] for measure in (accuracies, kappas)
    )
    total = whole[0].astype(int)
    opposite = int(total[0, 1] + total[1, 0])
    return Compared(
        labeler=labeler,
        finding=finding,
        studies=int(total.sum()),
        agreement=share,
        kappa=kappa,
        ours_alone=int(total[0].sum() - total[0, 0]),
        theirs_alone=int(total[:, 0].sum() - total[0, 0]),
        opposite=opposite,
    )
