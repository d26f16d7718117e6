"""Rows that an older reader, engine or judge made, and how to renew them."""

from collections.abc import Mapping

from cxr.miner.kit.sql import read_sql
from cxr.miner.store.store import Store

_SQL = read_sql("cxr.miner.store")


Versions = Mapping[str, Mapping[str, str]]
"""What (labels, chains, scores) to who made it to the version that would make it now, or what that ends with."""


def makers(store: Store) -> dict[str, set[str]]:
    """Return who made the labels, chains and scores that are in use."""
    found: dict[str, set[str]] = {}
    for what, _, who, *_ in store.rows(_SQL["made_by"]):
        found.setdefault(what, set()).add(who)
    return found


def stale_rows(store: Store, now: Versions) -> list[tuple[str, str, str, str, int, str]]:
    """Return the rows by another version than the one that would make them now.

    What, where, who, version, how many, and the command that renews them; who is not in `now` is up to date.
    """
    return [
        (what, where, who, version, count, renew)
        for what, where, who, version, count, renew in store.rows(_SQL["made_by"])
        if who in now.get(what, {}) and not version.endswith(now[what][who])
    ]
