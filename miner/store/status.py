"""`cxr status`: what a store holds, stage by stage, and what was lost on the way."""

from rich.table import Table

from cxr.miner.kit.console import table
from cxr.miner.kit.sql import read_sql
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.store")

_TITLES = {
    "corpora": "Corpora",
    "counts": "Counts against the published ones",
    "sections": "Sections of reports",
    "progressions": "Progressions",
    "labels": "Labels",
    "chains": "Questions and chains",
    "calls": "Calls to language models",
    "open_batches": "Open batches",
    "rejects": "Rejects",
    "gaps": "Gaps: rows that were kept without a cell",
    "last_runs": "Last runs",
}


def status_tables(store: Store) -> list[Table]:
    """Return a table per subject that has rows."""
    made = []
    for name, title in _TITLES.items():
        frame = store.frame(_SQL[name])
        if frame.height:
            made.append(table(title, frame.columns, frame.rows()))
    return made


def answer_only(store: Store) -> int:
    """Return the number of questions that nothing can be mined for, because their studies have no report."""
    return store.count("select count(*) from questions anti join reports using (study_id)")
