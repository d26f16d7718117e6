"""Mine with a language model: many questions in flight, each attempt written down, all of it resumable.

One event loop asks the server; one other thread reads and writes the store, so that a commit delays no reply. What has
been answered is in the reply cache before it is used, and what was attempted is in the ledger: a kill at any moment
loses neither.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

import duckdb
import polars as pl
from rich.table import Table

from cxr.miner.kit.console import say
from cxr.miner.kit.errors import BudgetReached, CxrError, EngineStopped, MiningReject, StoreError
from cxr.miner.kit.progress import Live, Numbers, live, progress_path
from cxr.miner.llm.asked import Deferred, Stopping
from cxr.miner.llm.batch_api import BatchFiles
from cxr.miner.llm.budget import Budget
from cxr.miner.llm.client import Client
from cxr.miner.llm.prices import price_of
from cxr.miner.llm.spending import charge_lost, lost_attempts
from cxr.miner.llm.store_books import StoreBooks
from cxr.miner.llm.wire import Wire, key_from_environment
from cxr.miner.mine.candidates import Candidate, Chooser, NoCandidate
from cxr.miner.mine.choosing import Judging, Yield, job_of, open_judging
from cxr.miner.mine.duplicates import note_duplicates
from cxr.miner.mine.engines import Reasoning
from cxr.miner.mine.engines.llm import LLMEngine, engine_version
from cxr.miner.mine.job import (
    Mined,
    MineResult,
    Rejected,
    checked,
    commit,
    count_chains,
    load,
    note_renewals,
    standing_rejects,
    unmined,
)
from cxr.miner.mine.settings import MineSettings
from cxr.miner.store import Run, Store, is_interrupt
from cxr.schemas.question import Question
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import Licence

T = TypeVar("T")

# Questions that are read from the store at once, and outcomes that are committed at once, or after this time.
_READ = 256
_COMMIT = 128
_COMMIT_EVERY_S = 2.0
_TICK_S = 0.2


def mine_llm(db: Path, settings: MineSettings) -> MineResult:
    """Mine what is missing, and give what was done.

    Raises BudgetReached, EngineStopped, PolicyError or KeyboardInterrupt after everything that was finished has been
    written; the same call then goes on from there.
    """
    asked = AskedJob(settings, db)
    job = asked.job
    with full_disk_is_one_sentence(db), Store.write(db) as store, asked.over(store):
        todo = unmined(store, settings, job.fingerprint)
        result = MineResult(already=count_chains(store, job.fingerprint), notes=note_renewals(store, job, todo))
        budget = Budget(settings, price_of(settings), asked.account.spent)
        asked.allow(todo)
        if todo.height:
            _ask_for_a_price(settings, asked.wire)
            with store.run("mine", job.recorded(settings)) as run:
                asked.mine(todo, run, result, budget, "mine with", sink=None)
                result.notes += filter(None, [note_duplicates(store, job.fingerprint, run)])
        result.rejects = standing_rejects(store, job.fingerprint)
        return result


class AskedJob:
    """A job of the engine that asks a server: whom it asks, and over which store, with which account."""

    def __init__(self, settings: MineSettings, db: Path) -> None:
        """Raise SettingsError where the server cannot be asked; nothing is sent yet."""
        self.settings = settings
        self.job = job_of(settings, db)
        self.wire = Wire(settings, key_from_environment(settings))

    @contextlib.contextmanager
    def over(self, store: Store) -> Iterator[Self]:
        """Open the job's account in a store."""
        self.store, self.books = store, StoreBooks(store, "mine")
        with self.books.account(self.settings, self.job.fingerprint) as self.account:
            yield self

    def allow(self, todo: pl.DataFrame, *, stored: bool = False) -> None:
        """Raise PolicyError where a text of these questions may not go to the server."""
        for licence in todo["licence"].unique():
            self.wire.allow(Licence(licence), stored=stored)

    def mine(
        self, todo: pl.DataFrame, run: Run, result: MineResult, budget: Budget, title: str, sink: BatchFiles | None
    ) -> None:
        """Mine these questions and count them in `result`; requests go to the `sink` where there is one.

        Raises what `Mining.go` raises.
        """
        self.books.owned_by(run, self.job.fingerprint)
        account = self.account
        client = Client(
            self.settings, self.wire, account.cache, budget, account.ledger, self.books.owner, account.write, sink
        )
        numbers = Numbers(f"{title} {self.settings.model}", todo.height, result.already)
        licences = [Licence(licence) for licence in todo["licence"].unique()]
        with (
            open_judging(self.store, self.settings, licences) as judging,
            live(numbers, progress_path(self.store.path)) as shown,
        ):
            Mining(self, run, client, shown, result, judging).go(todo)


@contextlib.contextmanager
def full_disk_is_one_sentence(db: Path) -> Iterator[None]:
    """Turn what a full or failing disk raises into a StoreError; an interrupt of a query stays what it is."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        if is_interrupt(error):
            raise
        raise StoreError(
            f"{db} could not be written ({str(error).splitlines()[0]}); make room there and run the same command "
            "again: replies and attempts are kept beside it, and nothing is paid for twice"
        ) from None


def _ask_for_a_price(asked: MineSettings, wire: Wire) -> None:
    if price_of(asked) is None and not wire.local:
        say(
            f"the price of {asked.model} at {asked.base_url} is not known, so costs stay unknown; give it in USD per "
            "million tokens with --price INPUT,OUTPUT"
        )


class Mining:
    """One run: a reader, workers, and a writer, which end together."""

    def __init__(
        self, asked: AskedJob, run: Run, client: Client, shown: Live, result: MineResult, judging: Judging | None = None
    ) -> None:
        self._store, self._job, self._run, self._books = asked.store, asked.job, run, [asked.books]
        self._engine = LLMEngine(asked.settings, client)
        self._judging, self._chooser, self._yield = judging, None, Yield()
        if judging is not None:
            at_once = client.sink is not None
            made = client.course.made
            self._chooser = Chooser(self._engine, asked.settings, judging.score, made, side_by_side=at_once)
            self._yield = Yield(judging.judge.name)
            self._books.append(judging.books)
            judging.books.owned_by(run, judging.books.job(judging.judge.name, judging.judge.version))
        self._client, self._live, self._result = client, shown, result
        client.course.reply_is_enough = False  # a chain is
        self._outcomes: list[Mined | Rejected] = []
        self._stop: CxrError | None = None
        self._interrupts = 0
        self._lost = lost_attempts(self._store, self._job.fingerprint)
        self._budget_before = client.budget.usd

    def go(self, todo: pl.DataFrame) -> None:
        """Mine; raises what ended the run early after everything finished is in the store."""
        try:
            asyncio.run(self._main(todo))
        except* EngineStopped as group:
            self._stop = self._stop or _first(group)
        except* CxrError as group:
            self._stop = self._stop or _first(group)
        finally:
            self._run.attestation = list(self._engine.attestations_used) or None
            self._run.capabilities = self._client.serving.capabilities.model_dump(mode="json", exclude_none=True)
            self._count()
            self._commit_all()
            self._say_at_the_end()
        if self._interrupts:
            raise KeyboardInterrupt
        if self._stop is not None:
            raise self._stop
        if (told := self._client.course.told()) is not None:
            self._result.notes.append(told)

    async def _main(self, todo: pl.DataFrame) -> None:
        workers = self._client.settings.questions_at_once
        self._queue: asyncio.Queue[tuple[Question, Report] | None] = asyncio.Queue(workers)
        with ThreadPoolExecutor(1) as self._thread:
            async with self._client.wire, _signals(self._interrupted):
                background = [asyncio.create_task(self._write()), asyncio.create_task(self._tick())]
                try:
                    async with asyncio.TaskGroup() as group:
                        self._group = [group.create_task(self._read(todo, workers))]
                        self._group += [group.create_task(self._work()) for _ in range(workers)]
                        watch = group.create_task(self._watch(background[0]))
                        await asyncio.gather(*self._group, return_exceptions=True)
                        watch.cancel()
                finally:
                    for task in background:
                        task.cancel()
                    await asyncio.gather(*background, return_exceptions=True)

    async def _read(self, todo: pl.DataFrame, workers: int) -> None:
        """Feed the workers, a slice of the store at a time; memory does not grow with the corpus."""
        for part in todo.select("question_id").iter_slices(_READ):
            if self._ending:
                break
            for item in await self._in_thread(lambda part=part: list(load(self._store, part))):  # type: ignore[misc]
                await self._queue.put(item)
        for _ in range(workers):
            await self._queue.put(None)

    async def _work(self) -> None:
        while (item := await self._queue.get()) is not None:
            if self._client.stopping:
                continue
            question, report = item
            course = self._client.course
            try:
                mined = await self._mined(question, report)
            except MiningReject as reject:
                tried = reject.candidates if isinstance(reject, NoCandidate) else ()
                self._outcomes.append(Rejected(question, reject, self._rows(question, tried)))
                self._live.numbers.rejected += 1
                self._end(course.rejected(question.question_id, reject))
            except (Stopping, Deferred):
                course.ended(question.question_id)
            except BudgetReached as reached:
                # Others may go on with what they have in the cache; nothing new is sent by anybody.
                self._stop = self._stop or reached
                course.open()
            except EngineStopped as stopped:
                self._end(stopped)
            else:
                self._outcomes.append(mined)
                self._live.numbers.done += 1
                course.made(question.question_id)

    def _end(self, stopped: EngineStopped | None) -> None:
        """End the run: what is in flight is paid for, awaited and kept, and nothing new is sent."""
        if stopped is not None and self._client.sink is None:  # a round of a batch sends nothing yet
            self._stop = self._stop or stopped
            self._client.stop()

    async def _mined(self, question: Question, report: Report) -> Mined:
        """Return a question's chain, or the best of several; raises what `LLMEngine.reason` and the judge raise."""
        if self._chooser is None:
            mined = checked(question, await self._engine.reason(question, report), report)
            self._yield.look(question, report, Reasoning(mined.plan, mined.evidence, mined.chain))
            return mined
        kept, candidates = await self._chooser.choose(question, report)
        assert kept.reasoning is not None  # noqa: S101 - that is why it is kept
        if kept.scored is not None:
            self._yield.add(is_factual=kept.is_factual)
        return Mined(question, *kept.reasoning, self._rows(question, candidates))

    def _rows(self, question: Question, candidates: Sequence[Candidate]) -> tuple[dict[str, object], ...]:
        return () if self._judging is None else self._judging.rows(question, candidates, self._job, self._run.run_id)

    def _say_at_the_end(self) -> None:
        usd = None if self._client.budget.price is None else self._client.budget.usd - self._budget_before
        self._result.notes += filter(None, [self._yield.note(self._result.mined, usd)])
        if self._chooser is not None and self._judging is not None:
            self._result.notes += [*self._chooser.totals.notes(), *self._judging.notes()]

    @property
    def _ending(self) -> bool:
        return self._client.stopping or isinstance(self._stop, BudgetReached)

    async def _write(self) -> None:
        waited = 0.0
        while True:
            await asyncio.sleep(_TICK_S)
            waited += _TICK_S
            if len(self._outcomes) >= _COMMIT or waited >= _COMMIT_EVERY_S:
                waited = 0.0
                # A commit that has begun is never left half done: the thread finishes it.
                await asyncio.shield(self._in_thread(self._commit_all))

    async def _watch(self, writer: "asyncio.Task[None]") -> None:
        """End the run when the store cannot be written any more."""
        await asyncio.wait([writer])
        if not writer.cancelled() and (error := writer.exception()) is not None:
            raise error

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _commit_all(self) -> None:
        """Write what has gathered."""
        outcomes = list(self._outcomes)
        if not outcomes and not any(each.gathered for each in self._books):
            return
        with full_disk_is_one_sentence(self._store.path):
            chains, rejects = commit(self._store, self._job, self._run, outcomes, *self._books)
            if self._lost:
                charge_lost(self._store, self._job.fingerprint)
        del self._outcomes[: len(outcomes)]
        self._result.mined += chains
        self._result.new_rejects += rejects

    async def _tick(self) -> None:
        while True:
            self._count()
            self._live.tick()
            await asyncio.sleep(_TICK_S)

    def _count(self) -> None:
        numbers, counters, budget = self._live.numbers, self._client.counters, self._client.budget
        numbers.calls, numbers.failed, numbers.cached = counters.calls, counters.failed, counters.cached
        numbers.in_flight = counters.in_flight
        numbers.looked, numbers.factual = self._yield.looked, self._yield.factual
        numbers.tokens = counters.prompt_tokens + counters.completion_tokens
        if budget.price is not None:
            numbers.usd, numbers.usd_of_job = budget.usd - self._budget_before, budget.usd
        throttled = self._client.pace.throttled_for_s()
        numbers.waiting = f", the server has been limiting us for {throttled:.0f} s" if throttled > 1 else ""

    def _interrupted(self) -> None:
        self._interrupts += 1
        if self._interrupts == 1:
            in_flight = self._client.counters.in_flight
            say(
                f"interrupted: waiting for {in_flight} calls in flight, which are paid for and will be kept; "
                "interrupt again to drop them"
            )
            self._client.stop()
        elif self._interrupts == 2:
            say(f"interrupted again: {self._client.counters.in_flight} calls in flight are dropped, at unknown cost")
            for task in self._group:
                task.cancel()


def _first(group: BaseExceptionGroup[CxrError]) -> CxrError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, CxrError)  # noqa: S101 - the group holds nothing else
    return error


@contextlib.asynccontextmanager
async def _signals(react: Callable[[], None]) -> AsyncIterator[None]:
    """Let Ctrl-C, and the SIGTERM of a cluster's scheduler, end the run in order."""
    loop = asyncio.get_running_loop()
    added = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # Outside of the main thread, as in some tests, signals stay with whom they are.
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
            loop.add_signal_handler(number, react)
            added.append(number)
    try:
        yield
    finally:
        for number in added:
            loop.remove_signal_handler(number)


class _LLMRunner:
    mine = staticmethod(mine_llm)

    @property
    def version(self) -> str:
        return engine_version()

    def mine_in_batches(self, db: Path, settings: MineSettings) -> MineResult:
        from cxr.miner.mine.batches import mine_in_batches  # noqa: PLC0415 - it rests on this module

        return mine_in_batches(db, settings)

    def estimate(self, db: Path, settings: MineSettings) -> list[Table]:
        from cxr.miner.mine.estimate import estimate_tables  # noqa: PLC0415 - likewise

        return estimate_tables(db, settings)


RUNNER = _LLMRunner()
