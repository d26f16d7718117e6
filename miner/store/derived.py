"""What was made of questions that no longer hold goes with them."""

from cxr.miner.store.store import Store
from cxr.schemas.vocabulary import Stage


def drop_questions(store: Store) -> int:
    """Delete the questions in the temporary table `stale_questions`, and all that came of them; return how many chains.

    A question that could not be mined may be mined by its new words, so its reject goes too. Replies that were paid for
    stay in the reply cache.
    """
    chains = "(select chain_id from chains where question_id in (select question_id from stale_questions))"
    removed = store.count(f"select count(*) from {chains}")
    for table in ("findings", "scores", "chains"):
        store.connection.execute(f"delete from {table} where chain_id in {chains}")
    store.connection.execute(
        "delete from rejects where stage = ? and reject_key in (select question_id from stale_questions)",
        [Stage.MINE.value],
    )
    store.connection.execute("delete from questions where question_id in (select question_id from stale_questions)")
    return removed
