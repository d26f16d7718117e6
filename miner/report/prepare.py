"""The temporary tables that the sections read: every chain once, with what it is about and how it was judged."""

from cxr.miner.kit.sql import read_sql
from cxr.miner.score.settings import MIN_REVIEW
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.report")


def prepare(store: Store) -> None:
    """Make `report_chains`, a row per chain with its latest score, and `report_verdicts`, a row per judged finding.

    `report_chains_by_judge` has a chain once for each judge, `report_chains_by_finding` for each finding asked about.
    """
    store.connection.execute(_SQL["report_chains"], {"least_review": MIN_REVIEW})
    for name in ("report_verdicts", "report_chains_by_judge", "report_chains_by_finding"):
        store.connection.execute(_SQL[name])
