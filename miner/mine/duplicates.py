"""Chains of one job that say nearly the same words: found when a job has new chains, kept in `near_duplicates`.

Compared are chains of one task and one answer; nothing is dropped here (`cxr filter --drop-duplicates` does that).
"""

import polars as pl

from cxr.miner.kit.alike import groups
from cxr.miner.store import Run, Store


def note_duplicates(store: Store, fingerprint: str, run: Run) -> str:
    """Find a job's near-duplicates again and give the sentence that tells of them; empty where there are none."""
    rows: list[dict[str, object]] = []
    repeats = total = 0
    chains = store.rows(
        "select list(chain_id order by chain_id), list(text order by chain_id) from chains where settings_hash = ? "
        "group by task, answer order by task, answer",
        [fingerprint],
    )
    for ids, texts in chains:
        total += len(ids)
        for at, first, similarity in groups(texts):
            repeats += at != first
            rows.append({
                "chain_id": ids[at], "group_id": ids[first], "similarity": similarity, "settings_hash": fingerprint,
                "run_id": run.run_id,
            })  # fmt: skip
    with store.transaction():
        store.connection.execute("delete from near_duplicates where settings_hash = ?", [fingerprint])
        store.insert("near_duplicates", pl.DataFrame(rows, infer_schema_length=None))
    if not repeats:
        return ""
    return (
        f"{repeats:,} of {total:,} chains say nearly the words of another one of the same task and answer (table "
        "near_duplicates); they are kept, and `cxr filter --drop-duplicates` leaves them out"
    )
