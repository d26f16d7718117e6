"""Who judges chains while they are mined: to choose among candidates, or only to tell how many are factual so far."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from cxr.miner.judge import JUDGES, Judge, RulesJudge, open_judge
from cxr.miner.judge.protocol import AsksAhead
from cxr.miner.judge.radrscore import ScoredReasoning, score_reasoning
from cxr.miner.judge.settings import JudgeSettings
from cxr.miner.kit.errors import MiningReject, SettingsError
from cxr.miner.llm.store_books import StoreBooks
from cxr.miner.mine.candidates import Candidate, candidate_rows
from cxr.miner.mine.engines import Reasoning
from cxr.miner.mine.engines.llm import LLMEngine
from cxr.miner.mine.job import Job
from cxr.miner.mine.settings import MineSettings
from cxr.miner.store import Store
from cxr.schemas.question import Question
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import Licence

_LEDGER = "judging"
# Of the first chains all are judged for the yield so far, of the others one in so many: it is only to be told.
_ALL_OF_FIRST = 200
_THEN_ONE_IN = 10
_MOST_THREADS = 256


def job_of(settings: MineSettings, db: Path) -> Job:
    """Return the job of the llm engine; who chooses among candidates is part of it.

    Raises SettingsError for settings under which all candidates would be one and the same request.
    """
    job = Job.of(LLMEngine(settings))
    if not settings.chooses:
        return job
    if settings.best_of > 1 and settings.sampling_seed is None:
        raise SettingsError(
            "--best-of asks for several replies to one request, which sampling_seed tells apart, and it is none; set it"
        )
    judging = judge_settings(settings, db)
    by: dict[str, object] = {"judge": judging.judge, "judge_version": JUDGES.open(judging.judge).code_version()}
    if judging.judge != RulesJudge.name:
        by["judge_settings"] = {**judging.of_the_output(), "sure": judging.sure}
    elif judging.entailment is not RulesJudge.entailment:
        by["judge_settings"] = {"entailment": str(judging.entailment)}
    return replace(job, settings={**job.settings, **by})


def judge_settings(settings: MineSettings, db: Path) -> JudgeSettings:
    """Return the judge that chooses: the one named, else that of `[judge]`, else rules; its server is of `[judge]`."""
    return JudgeSettings.resolve(db, judge=settings.judge)


@dataclass(frozen=True)
class Judging:
    """The judge of one run of mining, and the books of what it asks."""

    judge: Judge
    books: StoreBooks
    threads: Executor | None
    """Where it waits for its server; None for one that answers at once."""

    async def score(self, question: Question, report: Report, reasoning: Reasoning) -> ScoredReasoning:
        """Judge a chain; raises MiningReject where it cannot be judged, and what ends every judging."""
        if self.threads is None:
            return score(self.judge, question, report, reasoning)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, score, self.judge, question, report, reasoning)

    def rows(
        self, question: Question, candidates: Sequence[Candidate], job: Job, run_id: str
    ) -> tuple[dict[str, object], ...]:
        """Return a question's candidates as rows of the store."""
        by = (self.judge.name, self.judge.version)
        return tuple(candidate_rows(question, candidates, by, job.fingerprint, run_id))

    def notes(self) -> list[str]:
        """Return what the judge asked, as sentences."""
        said = [self.judge.told()] if isinstance(self.judge, AsksAhead) else []
        client = self.books.client
        return [*filter(None, said), *([] if client is None else [f"the judge: {client.spending}"])]


@contextlib.contextmanager
def open_judging(store: Store, settings: MineSettings, licences: Sequence[Licence]) -> Iterator[Judging | None]:
    """Open the judge that chooses among candidates; None where there is nothing to choose.

    Raises SettingsError and PolicyError before anything is sent.
    """
    if not settings.chooses:
        yield None
        return
    books = StoreBooks(store, "mine", licences, ledger=_LEDGER)
    with open_judge(judge_settings(settings, store.path), books) as judge:
        if judge.workers == 1:
            yield Judging(judge, books, None)
            return
        threads = ThreadPoolExecutor(min(judge.workers, _MOST_THREADS), thread_name_prefix="cxr-judge")
        try:
            yield Judging(judge, books, threads)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


class Yield:
    """How many of the chains that were looked at are factual: all where they are judged anyway, else a sample."""

    def __init__(self, judge: str = RulesJudge.name) -> None:
        self._rules = RulesJudge()
        self._judge = judge
        self._mined = 0
        self.looked = self.factual = 0

    def add(self, *, is_factual: bool) -> None:
        """Count a chain that was judged."""
        self.looked += 1
        self.factual += is_factual

    def look(self, question: Question, report: Report, reasoning: Reasoning) -> None:
        """Judge a chain by the rules, if it is its turn."""
        self._mined += 1
        if self._mined > _ALL_OF_FIRST and self._mined % _THEN_ONE_IN:
            return
        with contextlib.suppress(MiningReject):
            self.add(is_factual=score(self._rules, question, report, reasoning).score.factuality == 1.0)

    def note(self, mined: int, usd: float | None) -> str:
        """Return what is to be said at the end of a run; empty where nothing was looked at."""
        if not self.looked:
            return ""
        share = self.factual / self.looked
        cost = "" if usd is None or not self.factual else f", about ${usd / (mined * share):.4f} a factual chain"
        return f"{self.factual:,} of {self.looked:,} chains judged by {self._judge} are factual ({share:.1%}){cost}"


def score(judge: Judge, question: Question, report: Report, reasoning: Reasoning) -> ScoredReasoning:
    """Return RadRScore of a chain against its report, with its own evidence as the reference, as `cxr score` has it."""
    told = " ".join(piece.statement for piece in reasoning.evidence)
    bound = judge.bound(question.question_id, report.licence)
    return score_reasoning(reasoning.chain.text, told, report.text, bound)
