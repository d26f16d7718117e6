"""Leakage: what a model could learn in one split about the questions of another, found set-based in DuckDB.

Reports repeat each other: templates, and the same words about other patients (OpenI: 784 of 3,851 rows). A chain that
was mined from words seen in training measures memory, so such studies are kept on one side. Near duplicates share at
least `near` of their word trigrams (Jaccard). The search is exact: two sets with Jaccard >= t share at least t of
either, so any |a| - ceil(t |a|) + 1 trigrams of `a` hit `b`; taking the rarest of `a` keeps candidates few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cxr.miner.kit.sql import read_sql
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.benchmark")

NEAR = 0.8

# From the split that gives way to the one whose studies stay, where two share words: a test set is not to shrink.
WEAKEST_FIRST = ("train", "validate", "test")

# A window of this many words in a question that also stands in the report is no coincidence of vocabulary.
_COPIED_WORDS = 6


@dataclass(frozen=True)
class Repeats:
    """Reports of one corpus that say what another report says, by normalised words."""

    corpus: str
    reports: int
    repeats: int
    shared_exactly: int
    shared_nearly: int


@dataclass(frozen=True)
class LeakageReport:
    """What was found; all counts are studies, patients or questions of the whole store."""

    near: float
    repeats: tuple[Repeats, ...]
    shared: tuple[tuple[str, str, str, int], ...]
    """Corpus, split, exact or near, and studies whose words stand in a stronger split too."""
    near_pairs: int
    torn_patients: int
    torn_studies: int
    copied_questions: int
    told_questions: int

    @property
    def is_clean(self) -> bool:
        """Return whether no two splits share a report, a patient or a study, and no question its answer."""
        return not (
            self.shared or self.torn_patients or self.torn_studies or self.copied_questions or self.told_questions
        )


def find_shared_reports(store: Store, near: float = NEAR, weakest_first: Sequence[str] = WEAKEST_FIRST) -> None:
    """Make the temporary table `leak_shared`: studies whose words, or nearly, stand in a stronger split as well.

    Columns: study_id, corpus, split, kind (exact or near). Splits that `weakest_first` does not name are ignored.
    """
    parameters = {"weakest_first": list(weakest_first) or [""]}
    run = store.connection.execute
    run(_SQL["leak_texts"])
    run(_SQL["leak_distinct"], parameters)
    run(_SQL["leak_near"], {"near": near})
    run(_SQL["leak_shared"], parameters)


def find_torn_patients(store: Store) -> None:
    """Make the temporary tables `leak_patients` and `leak_studies`: ids that occur in more than one split."""
    store.connection.execute(_SQL["leak_patients"])
    store.connection.execute(_SQL["leak_studies"])


def find_told_questions(store: Store) -> None:
    """Make the temporary tables `leak_copied` (words of the report in the question) and `leak_told` (its answer)."""
    store.connection.execute(_SQL["leak_copied"], {"window": _COPIED_WORDS})
    store.connection.execute(_SQL["leak_told"])


def leakage(store: Store, near: float = NEAR) -> LeakageReport:
    """Look for every kind of leakage in the whole store; a store that is only read is not changed."""
    find_shared_reports(store, near)
    find_torn_patients(store)
    find_told_questions(store)
    repeats = store.rows(_SQL["repeats"])
    shared = store.rows("select corpus, split, kind, count(*) from leak_shared group by all order by all")
    return LeakageReport(
        near=near,
        repeats=tuple(Repeats(*row) for row in repeats),
        shared=tuple((corpus, split, kind, count) for corpus, split, kind, count in shared),
        near_pairs=store.count("select count(*) from leak_near"),
        torn_patients=store.count("select count(distinct patient_id) from leak_patients"),
        torn_studies=store.count("select count(distinct study_id) from leak_studies"),
        copied_questions=store.count("select count(*) from leak_copied"),
        told_questions=store.count("select count(*) from leak_told"),
    )
