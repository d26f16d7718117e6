"""Rows that an older reader, engine or judge made, and how to renew them."""

from collections.abc import Mapping

from cxr.miner.store.store import Store

# Labels, chains and scores that count, by who made them: what, where, who, version, rows. Chains that a newer one of
# the same engine has replaced, and scores that a newer one of any judge has, are not in use and not counted.
_MADE = """
    select 'labels' as what, corpus as "where", labeler as who, coalesce(labeler_version, '') as version,
           count(distinct study_id) as rows, 'cxr ingest ' || corpus as renew
    from labels join studies using (study_id) group by all
    union all
    select 'chains', corpus, engine, engine_version, count(*), 'cxr mine --engine ' || engine
    from newest_chains join questions using (question_id) group by all
    union all
    select 'scores', corpus, judge, judge_version, count(*), 'cxr score --judge ' || judge
    from latest_scores join newest_chains using (chain_id) join questions using (question_id) group by all
    order by all
"""

Versions = Mapping[str, Mapping[str, str]]
"""What (labels, chains, scores) to who made it to the version that would make it now, or what that ends with."""


def makers(store: Store) -> dict[str, set[str]]:
    """Return who made the labels, chains and scores that are in use."""
    found: dict[str, set[str]] = {}
    for what, _, who, *_ in store.rows(_MADE):
        found.setdefault(what, set()).add(who)
    return found


def stale_rows(store: Store, now: Versions) -> list[tuple[str, str, str, str, int, str]]:
    """Return the rows by another version than the one that would make them now.

    What, where, who, version, how many, and the command that renews them; who is not in `now` is up to date.
    """
    return [
        (what, where, who, version, count, renew)
        for what, where, who, version, count, renew in store.rows(_MADE)
        if who in now.get(what, {}) and not version.endswith(now[what][who])
    ]
