"""Temporal questions: how a finding changed between two studies.

The progressions are those that people labeled (MS-CXR-T), or under `--source report` those that reports state.

Both studies have to be in the store, whichever corpus came first. Progressions on which the experts disagreed have no
sure answer and are not asked about, as uncertain labels are not (design.md, "Tasks").
"""

from cxr.miner.ask.balance import BalanceReport, ceilings_frame, too_rare
from cxr.miner.ask.settings import AskSettings
from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import SettingsError
from cxr.miner.kit.sql import read_sql
from cxr.miner.language.labeler import LABELER
from cxr.miner.pack import pack
from cxr.miner.store import Store
from cxr.schemas.vocabulary import Task

_SQL = read_sql("cxr.miner.ask")


def ask_temporal(store: Store, settings: AskSettings) -> tuple[int, int, BalanceReport]:
    """Write the temporal questions that the store does not hold yet.

    Returns how many were added, how many stood already, and the balance over findings. Raises SettingsError where
    no progression has both its studies in the store.
    """
    store.connection.execute(
        _SQL["usable_progressions"],
        {"seed": settings.seed, "ours": LABELER, "from_reports": settings.source == "report"},
    )
    available = dict(store.rows("select finding, count(*) from usable_progressions group by 1 order by 1"))
    if not available and settings.source == "report":
        raise SettingsError(
            "ask: no report in the store states one change of a finding against an earlier study of its patient; "
            "temporal questions from reports need a corpus with several studies a patient, such as mimic-cxr"
        )
    if not available:
        stored = store.count("select count(*) from progressions")
        raise SettingsError(
            f"ask: temporal questions need progressions whose two studies are both in the store; it has {stored:,} "
            "progressions and none of these: ingest both ms-cxr-t and mimic-cxr"
        )
    table = ceilings_frame(available, balance=settings.balance, min_positives=settings.min_positives)
    store.replace_temporary("ceilings", table)
    store.connection.execute(_SQL["asked_temporal"], {"text": pack().questions.text(Task.TEMPORAL)})
    store.connection.execute(_SQL["new_temporal"])
    asked = store.count("select count(*) from asked_temporal")
    added = store.count("select count(*) from new_temporal")
    if added:
        recorded = settings.model_dump(mode="json")
        with store.run("ask", recorded) as run, store.transaction():
            store.connection.execute(
                "insert into questions by name select *, ? as settings_hash, ? as run_id from new_temporal "
                "order by study_id, question_id",
                [digest("ask", settings.model_dump(mode="json", exclude={"tasks"})), run.run_id],
            )
            run.rows_written = added
    return added, asked - added, _report(store, settings, available)


def _report(store: Store, settings: AskSettings, before: dict[str, int]) -> BalanceReport:
    after = dict(store.rows("select findings[1], count(*) from asked_temporal group by 1 order by 1"))
    rare = too_rare(before, settings.min_positives) if settings.balance != "none" else {}
    corpora = store.rows("select distinct corpus from usable_progressions order by 1")
    names = ", ".join(name for (name,) in corpora)
    return BalanceReport(corpus=names, task=str(Task.TEMPORAL), before=before, after=after, too_rare=rare)
