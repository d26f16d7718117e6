"""Cost and time: what each command did and took, and what was paid to model servers."""

from cxr.miner.report.parts import PageNote, PagePart, PageSection, PageTable
from cxr.miner.store import Store

_CALLS = """
    select engine, model, stage, count(*) as calls, count(*) filter (where cache_hit) as "from cache",
           count(error) as failed, sum(prompt_tokens)::bigint as "prompt tokens",
           sum(completion_tokens)::bigint as "reply tokens", sum(cost_usd) as USD,
           count(*) filter (where cost_usd is null) as "cost unknown",
           avg(latency_s) filter (where not cache_hit) as "mean seconds"
    from calls group by all order by all
"""
_RUNS = """
    select command, count(*) as runs, count(*) filter (where status = 'done') as done,
           count(*) filter (where status <> 'done') as "ended otherwise", sum(rows_written)::bigint as "rows written",
           sum(rejects)::bigint as rejects,
           sum(date_diff('millisecond', started_at, ended_at)) / 1000.0 as seconds
    from runs group by command order by min(started_at), command
"""
_OTHERWISE = """
    select strftime(started_at, '%Y-%m-%d %H:%M') as started, command,
           if(status = 'running', 'running, or killed', status) as status, rows_written as rows
    from runs where status <> 'done' order by started_at desc, run_id limit 20
"""


def spending_section(store: Store) -> PageSection:
    """Return the calls and runs."""
    calls, runs, otherwise = (store.frame(query) for query in (_CALLS, _RUNS, _OTHERWISE))
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
    if otherwise.height:
        parts.append(PageTable.of("Runs that did not end well", otherwise))
    return PageSection("cost", "Cost and time", "Seconds are wall clock, summed over runs.", parts)
