"""What silence says: of a report that was not understood nothing is taken as absent because it is not mentioned."""

from cxr.miner.kit.sql import read_sql
from cxr.miner.store import Store
from cxr.schemas.vocabulary import RejectReason, Stage

_SQL = read_sql("cxr.miner.ask")

REASON = RejectReason.REPORT_NOT_UNDERSTOOD
_MESSAGE = "too little of the report was read to take what it does not mention as absent; `cxr unread` says which words"


def note_silent_studies(store: Store, corpora: str, settings: dict[str, object]) -> int:
    """Keep the studies of the temporary table `silent_studies` as rejects of the stage; return how many there are.

    `corpora` selects those that were asked about; their earlier rejects go. Nothing is written where nothing changed.
    """
    store.connection.execute(f"create or replace temporary table asked_corpora as {corpora}")
    if store.count(_SQL["changed_silence"], {"reason": REASON.value}):
        with store.run("ask", settings) as run, store.transaction():
            store.connection.execute(
                "delete from rejects where stage = ? and reason = ? and corpus in (select corpus from asked_corpora)",
                [Stage.ASK.value, REASON.value],
            )
            (run.rejects,) = store.rows(
                "insert into rejects (stage, corpus, reject_key, reason, message, run_id) "
                "select ?, corpus, study_id, ?, ?, ? from silent_studies order by study_id",
                [Stage.ASK.value, REASON.value, _MESSAGE, run.run_id],
            )[0]
    return store.count("select count(*) from silent_studies")
