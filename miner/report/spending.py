"""Cost and time: what each command did and took, and what was paid to model servers."""

from cxr.miner.kit.sql import read_sql
from cxr.miner.report.parts import PageNote, PagePart, PageSection, PageTable
from cxr.miner.report.yields import yield_parts
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.report")


def spending_section(store: Store) -> PageSection:
    """Return the calls and runs."""
    calls, runs, otherwise = (store.frame(_SQL[name]) for name in ("calls", "runs", "runs_that_failed"))
    parts: list[PagePart] = []
    if runs.height:
        parts.append(PageTable.of("Commands that wrote to this store", runs))
    if calls.height:
        parts.append(PageTable.of("Calls to language models", calls))
        unknown = int(calls["cost unknown"].sum())
        if unknown:
            parts.append(PageNote(f"The cost of {unknown:,} calls is unknown; the sum in USD is without them."))
    else:
        parts.append(PageNote("No language model was called: nothing was paid."))
    parts += yield_parts(store)
    if otherwise.height:
        parts.append(PageTable.of("Runs that did not end well", otherwise))
    return PageSection("cost", "Cost and time", "Seconds are wall clock, summed over runs.", parts)
