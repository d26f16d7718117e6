"""What was made of reports, labels and progressions that changed goes with them."""

from cxr.miner.language.labeler import LABELER
from cxr.miner.store import Store
from cxr.schemas.vocabulary import Stage


def drop_derived(store: Store) -> int:
    """Delete the questions that rest on other words, labels or progressions than before, and all that came of them.

    A question that could not be mined may be mined by its new words, so its reject goes too. Returns the number of
    chains that went. Questions follow their study into another split.
    """
    store.connection.execute(
        """
        create or replace temporary table stale_questions as
        select question_id from questions
        where study_id in (select study_id from reworded) or prior_study_id in (select study_id from reworded)
           or (study_id, labeler) in (select (study_id, labeler) from relabeled)
        """
    )
    chains = "(select chain_id from chains where question_id in (select question_id from stale_questions))"
    removed = store.count(f"select count(*) from {chains}")
    for table in ("findings", "scores", "chains"):
        store.connection.execute(f"delete from {table} where chain_id in {chains}")
    store.connection.execute(
        "delete from rejects where stage = ? and reject_key in (select question_id from stale_questions)",
        [Stage.MINE.value],
    )
    store.connection.execute("delete from questions where question_id in (select question_id from stale_questions)")
    store.connection.execute(
        "delete from labels where labeler = ? and study_id in (select study_id from reworded)", [LABELER]
    )
    store.connection.execute(
        "update questions set split = studies.split from studies semi join delta_studies using (study_id) "
        "where questions.study_id = studies.study_id and questions.split is distinct from studies.split"
    )
    return removed
