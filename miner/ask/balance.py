"""Balance: within a task the most frequent finding occurs at most twice as often as the least (paper, section 2)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

MAX_RATIO = 2


@dataclass(frozen=True)
class BalanceReport:
    """Questions per finding of one corpus and task, before and after down-sampling, and findings left out."""

    corpus: str
    task: str
    before: Mapping[str, int]
    after: Mapping[str, int]
    too_rare: Mapping[str, int]


def too_rare(available: Mapping[str, int], min_positives: int) -> dict[str, int]:
    """Return the findings that occur, but too seldom to set the ceiling for all others."""
    return {finding: count for finding, count in available.items() if 0 < count < min_positives}


def ceilings(available: Mapping[str, int], *, balance: str, min_positives: int) -> dict[str, int]:
    """Return how often each finding may be asked about: at most twice the rarest one's count.

    Findings rarer than `min_positives` do not starve the rest: under `strict` they get 0, under `soft` all they have.
    `none` allows all there is.
    """
    if balance == "none":
        return dict(available)
    rare = too_rare(available, min_positives)
    usable = {finding: count for finding, count in available.items() if count and finding not in rare}
    ceiling = MAX_RATIO * min(usable.values(), default=0)
    allowed = {finding: min(count, ceiling) for finding, count in usable.items()}
    return allowed | rare if balance == "soft" else allowed


def ceilings_frame(available: Mapping[str, int], *, balance: str, min_positives: int) -> pl.DataFrame:
    """Return `ceilings` as a frame with the columns finding and ceiling, for the SQL of `cxr ask`."""
    allowed = ceilings(available, balance=balance, min_positives=min_positives)
    return pl.DataFrame(list(allowed.items()), schema={"finding": pl.Utf8, "ceiling": pl.Int64}, orient="row")


def downsample_sets(sets: Sequence[Sequence[str]], *, balance: str, min_positives: int) -> list[int]:
    """Choose sets of findings so that no finding occurs more than twice as often as another; give their indices.

    The sets come in random order and are taken rarest finding first, so that common companions do not crowd a
    rare finding out. Under `strict` a set that holds a finding that is too rare is left out whole, because its
    answer would name it; under `soft` it stays, and its rare finding sets no ceiling.
    """
    if balance == "none":
        return list(range(len(sets)))
    counts = Counter(finding for members in sets for finding in members)
    rare = set(too_rare(counts, min_positives))
    candidates = [index for index, members in enumerate(sets) if balance == "soft" or not rare & set(members)]
    candidates.sort(key=lambda index: (min(counts[finding] for finding in sets[index]), index))
    ceiling = MAX_RATIO * min((count for finding, count in counts.items() if finding not in rare), default=0)
    while candidates and ceiling > 0:
        chosen, taken = _fill(sets, candidates, ceiling, rare)
        if not taken or max(taken.values()) <= MAX_RATIO * min(taken.values()):
            return sorted(chosen)
        # The rarest finding got fewer places than planned because its companions were full: plan for fewer.
        ceiling = min(ceiling - 1, MAX_RATIO * min(taken.values()))
    return []


def _fill(
    sets: Sequence[Sequence[str]], candidates: Sequence[int], ceiling: int, rare: set[str]
) -> tuple[list[int], Counter[str]]:
    """Take sets in order while no finding is over the ceiling; give them and the counts of findings that count."""
    chosen: list[int] = []
    taken: Counter[str] = Counter()
    for index in candidates:
        members = [finding for finding in sets[index] if finding not in rare]
        if all(taken[finding] < ceiling for finding in members):
            chosen.append(index)
            taken.update(members)
    return chosen, taken
