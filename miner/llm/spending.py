"""What a job has spent, as the store and the ledger know it."""

from pathlib import Path

from cxr.miner.llm.budget import Spent
from cxr.miner.llm.cache import ReplyCache
from cxr.miner.llm.calls import insert_calls
from cxr.miner.llm.ledger import KILLED, Ledger
from cxr.miner.llm.settings import ServerSettings
from cxr.miner.llm.unstored import unstored
from cxr.miner.store import Store
from cxr.schemas.call import MOST_USD


def spent_on(store: Store, fingerprint: str) -> Spent:
    """Return what all runs of a job have used; failed attempts count, cache hits do not."""
    ((usd, calls, unknown),) = store.rows(
        # An earlier version booked what servers said, a cost below nothing too: that is no known cost.
        "select coalesce(sum(cost_usd) filter (where cost_usd between 0 and ?), 0), count(*), "
        "count(*) filter (where coalesce(cost_usd, -1) not between 0 and ?) "
        "from calls where settings_hash = ? and not cache_hit",
        [MOST_USD, MOST_USD, fingerprint],
    )
    return Spent(usd=float(usd), calls=int(calls), unknown=int(unknown))


def recover_attempts(
    store: Store, ledger: Ledger, path: Path, cache: ReplyCache, settings: ServerSettings, job: str
) -> int:
    """Bring attempts that an earlier run could not store into `calls`, and give how many they were.

    A request that had left without an end in the ledger is looked up in the cache: if its reply is there, tokens and
    cost are known; if not, it was killed in flight and its cost is unknown until the same request is answered. What
    damaged lines may have told of is said, and charged to `job`.
    """
    attempts = unstored(path, cache, settings, lambda: (one for (one,) in store.rows("select call_id from calls")))
    with store.transaction():
        recovered = insert_calls(store, ((call, owner or {"settings_hash": job}) for call, owner in attempts))
    ledger.clear()
    return recovered


def lost_attempts(store: Store, fingerprint: str) -> int:
    """Return how many attempts were killed in flight and have not been charged."""
    return store.count(
        "select count(*) from calls where settings_hash = ? and error = ? and prompt_tokens is null",
        [fingerprint, KILLED],
    )


def charge_lost(store: Store, fingerprint: str) -> None:
    """Charge attempts that were killed in flight as much as the same request cost when it was answered.

    Servers finish and bill a request whose asker is gone; the reply that came later is the best count there is.
    """
    store.connection.execute(
        """
        update calls set prompt_tokens = answered.prompt_tokens, completion_tokens = answered.completion_tokens,
                         cost_usd = answered.cost_usd
        from (select request_hash, any_value(prompt_tokens) as prompt_tokens,
                     any_value(completion_tokens) as completion_tokens, any_value(cost_usd) as cost_usd
              from calls where settings_hash = $fingerprint and error is null and not cache_hit
                and prompt_tokens >= 0 and coalesce(cost_usd, 0) >= 0
              group by request_hash) as answered
        where calls.request_hash = answered.request_hash and calls.settings_hash = $fingerprint
          and calls.error = $killed and calls.prompt_tokens is null
        """,
        {"fingerprint": fingerprint, "killed": KILLED},
    )
