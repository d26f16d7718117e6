"""Score with the llm judge: many chains in flight, each attempt written down, resumable, within a budget."""

from collections.abc import Callable
from pathlib import Path

from cxr.miner.judge.llm import LLMJudge
from cxr.miner.judge.opening import server_settings
from cxr.miner.kit.settings import ScoreSettings
from cxr.miner.llm.background import BackgroundClient
from cxr.miner.llm.cache import ReplyCache
from cxr.miner.llm.ledger import Ledger
from cxr.miner.llm.spending import recover_attempts, spent_on
from cxr.miner.mine.make import ledger_path
from cxr.miner.score.score import Calls, ScoreResult, job_of, score
from cxr.miner.store import Store
from cxr.schemas.call import Call
from cxr.schemas.vocabulary import Licence


def score_llm(db: Path, settings: ScoreSettings, advance: Callable[[int, int], None]) -> ScoreResult:
    """Score what this judge has not scored; the same call goes on where an earlier one stopped.

    Raises PolicyError before anything is sent, BudgetReached or EngineStopped after everything that was finished has
    been written.
    """
    asked = server_settings(settings)
    folder = settings.cache if settings.cache is not None else db.with_suffix(".replies")
    attempts: list[Call] = []
    with Store.write(db) as store, ReplyCache(folder) as cache, Ledger(ledger_path(db)) as ledger:
        recover_attempts(store, ledger, ledger_path(db), cache, asked)
        # The judge's version names the job that its spending belongs to; it is known before anything is asked.
        judge = LLMJudge(BackgroundClient(asked, cache, settings.attestations))
        spent = spent_on(store, job_of(judge))
        client = BackgroundClient(
            asked, cache, settings.attestations, spent=spent, ledger=ledger, on_call=attempts.append
        )
        for (licence,) in store.rows("select distinct licence from chains join studies using (study_id)"):
            client.allow(Licence(licence))
        with client:
            return score(store, LLMJudge(client), settings, advance, Calls(client, attempts))
