"""What silence says: of a report that was not understood nothing is taken as absent because it is not mentioned."""

from collections.abc import Mapping

from cxr.miner.kit.sql import read_sql
from cxr.miner.language.coverage import LEAST_SHARE
from cxr.miner.store import Store
from cxr.schemas.vocabulary import RejectReason, Stage

_SQL = read_sql("cxr.miner.ask")

UNREAD, DOUBTED = RejectReason.REPORT_NOT_UNDERSTOOD, RejectReason.READING_DOUBTED
_REASONS = {"unread": UNREAD.value, "doubted": DOUBTED.value}
WHY = {
    UNREAD: "too little of their reports was read; `cxr unread` says which words",
    DOUBTED: "words for a finding stand in their reports of which nothing was read",
}
"""In words, for many studies."""
_MESSAGES = {
    UNREAD: "too little of the report was read to take what it does not mention as absent; `cxr unread` says which "
    "words",
    DOUBTED: "words for a finding stand in the report of which nothing was read, so that what it does not mention is "
    "not taken as absent",
}


def note_understanding(store: Store) -> None:
    """Make the temporary table `not_understood` of what the store knows of its reports."""
    store.connection.execute(_SQL["not_understood"], {"least": LEAST_SHARE, **_REASONS})


def note_silent_studies(store: Store, corpora: str, settings: dict[str, object]) -> Mapping[RejectReason, int]:
    """Keep the studies of the temporary table `silent_studies` as rejects of the stage; return how many, by reason.

    `corpora` selects those that were asked about; their earlier rejects go. Nothing is written where nothing changed.
    """
    store.connection.execute(f"create or replace temporary table asked_corpora as {corpora}")
    if store.count(_SQL["changed_silence"], _REASONS):
        with store.run("ask", settings) as run, store.transaction():
            store.connection.execute(
                "delete from rejects where stage = ? and reason in (?, ?) "
                "and corpus in (select corpus from asked_corpora)",
                [Stage.ASK.value, UNREAD.value, DOUBTED.value],
            )
            for reason, message in _MESSAGES.items():
                (written,) = store.rows(
                    "insert into rejects (stage, corpus, reject_key, reason, message, run_id) "
                    "select ?, corpus, study_id, reason, ?, ? from silent_studies where reason = ? order by study_id",
                    [Stage.ASK.value, message, run.run_id, reason.value],
                )[0]
                run.rejects += written
    found = store.rows("select reason, count(*) from silent_studies group by reason order by reason")
    return {RejectReason(reason): count for reason, count in found}
