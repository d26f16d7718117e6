"""What was made of reports, labels and progressions that changed goes with them."""

from cxr.miner.kit.sql import read_sql
from cxr.miner.language.labeler import LABELER
from cxr.miner.store import Store
from cxr.miner.store.derived import drop_questions

_SQL = read_sql("cxr.miner.ingest.write")


def forget_labels(store: Store) -> None:
    """Delete our labels of reports that have other words now, and what is known of how they were read."""
    store.connection.execute(
        "delete from labels where labeler = ? and study_id in (select study_id from reworded)", [LABELER]
    )
    store.connection.execute("delete from coverage where study_id in (select study_id from reworded)")


def drop_derived(store: Store) -> int:
    """Delete the questions that rest on other words, labels or progressions than before, and all that came of them.

    Returns the number of chains that went. Questions follow their study into another split.
    """
    store.connection.execute(_SQL["stale_questions"])
    removed = drop_questions(store)
    store.connection.execute(
        "update questions set split = studies.split from studies semi join delta_studies using (study_id) "
        "where questions.study_id = studies.study_id and questions.split is distinct from studies.split"
    )
    return removed
