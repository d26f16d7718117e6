"""Mine: questions become chains, in batches that are committed whole; a rerun does only what is missing.

Here is the mining of engines that answer at once (`rules`), and what they share with those that wait for a server
(`many.py`): which questions are left to do, and how chains, rejects and calls enter the store.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from rich.table import Table

from cxr.miner.kit.console import progress
from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import MiningReject, SettingsError
from cxr.miner.llm.store_books import StoreBooks
from cxr.miner.mine.checks import check_all
from cxr.miner.mine.duplicates import note_duplicates
from cxr.miner.mine.engines import Described, Engine, Reasoning
from cxr.miner.mine.settings import MineSettings
from cxr.miner.store import Run, Store
from cxr.prompts.styles import drawn
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, Evidence, Plan
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import RejectReason, Stage, Task

# Rows of a batch are committed together.
BATCH = 500

# The reference image of a temporal question has a report too, if the store holds it; a prompt that shows both goes
# where the stricter of their licences allows.
_PRIOR = """
        left join reports as prior_reports on prior_reports.study_id = questions.prior_study_id
        left join studies as prior_studies on prior_studies.study_id = prior_reports.study_id
"""
_LICENCE = """
        case when 'credentialed' in (studies.licence, prior_studies.licence) then 'credentialed'
             else studies.licence end as licence
"""


@dataclass
class MineResult:
    """What `cxr mine` did, and all rejects that stand for this engine and these settings."""

    mined: int = 0
    already: int = 0
    new_rejects: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What else the user should know, a sentence each."""


@dataclass(frozen=True)
class Mined:
    """The three stages of one question's reasoning."""

    question: Question
    plan: Plan
    evidence: tuple[Evidence, ...]
    chain: Chain
    candidates: tuple[dict[str, object], ...] = ()
    """Rows of all chains that were made for the question, where one was chosen."""


def mine_question(engine: Engine, question: Question, report: Report) -> Mined:
    """Plan, gather evidence and reason about one question; raises MiningReject where that fails a check."""
    plan = engine.plan(question, report)
    evidence = engine.evidence(question, plan, report)
    return checked(question, Reasoning(plan, evidence, engine.chain(question, plan, evidence, report)), report)


def checked(question: Question, reasoning: Reasoning, report: Report) -> Mined:
    """Return finished reasoning as it enters the store; raises MiningReject where it fails a check."""
    if rejection := check_all(question, *reasoning, report):
        raise MiningReject(*rejection)
    return Mined(question, *reasoning)


@dataclass(frozen=True)
class SyncRunner:
    """Runs an engine that answers at once; `told` makes one that has settings of its own."""

    make: Callable[[], Engine]
    told: Callable[[MineSettings], Engine] | None = None

    @property
    def version(self) -> str:
        """The engine's version."""
        return self.make().version

    def mine(self, db: Path, settings: MineSettings) -> MineResult:
        """Mine what is missing."""
        if settings.chooses:
            raise SettingsError(
                f"--best-of and --repair are for engines that ask a model, such as --engine llm; {settings.engine} "
                "gives a question one chain, and there is nothing to choose"
            )
        engine = self.told(settings) if self.told else self.make()
        with Store.write(db) as store, progress(f"mine with {engine.name}") as advance:
            return mine(store, engine, settings, advance)

    def mine_in_batches(self, db: Path, settings: MineSettings) -> MineResult:  # noqa: ARG002 - an EngineRunner
        """Raise SettingsError: nobody is asked."""
        raise self._free(settings)

    def estimate(self, db: Path, settings: MineSettings) -> list[Table]:  # noqa: ARG002 - an EngineRunner
        """Raise SettingsError: nothing is spent."""
        raise self._free(settings)

    def _free(self, settings: MineSettings) -> SettingsError:
        return SettingsError(
            f"--estimate and --batch are for engines that ask a model server, such as --engine llm; {settings.engine} "
            "costs nothing"
        )


def mine(store: Store, engine: Engine, settings: MineSettings, advance: Callable[[int, int], None]) -> MineResult:
    """Mine every question that this engine, with these settings, has neither answered nor rejected.

    `advance(done, total)` is called after every batch. An interrupt loses at most the batch in hand.
    """
    job = Job.of(engine)
    todo = unmined(store, settings, job.fingerprint)
    result = MineResult(already=count_chains(store, job.fingerprint), notes=note_renewals(store, job, todo))
    if todo.height:
        with store.run("mine", job.recorded(settings)) as run:
            for batch in todo.iter_slices(BATCH):
                outcomes = [_outcome(engine, question, report) for question, report in load(store, batch)]
                chains, rejects = commit(store, job, run, outcomes)
                result.mined += chains
                result.new_rejects += rejects
                advance(result.mined + result.new_rejects, todo.height)
            if repeated := note_duplicates(store, job.fingerprint, run):
                result.notes.append(repeated)
    result.rejects = standing_rejects(store, job.fingerprint)
    return result


@dataclass(frozen=True)
class Job:
    """An engine with its settings, under which chains, rejects and spending are counted."""

    engine: str
    version: str
    settings: dict[str, object]

    @classmethod
    def of(cls, engine: Described) -> "Job":
        """Return the job of an engine as it is set."""
        return cls(engine.name, engine.version, engine.settings())

    @cached_property
    def fingerprint(self) -> str:
        """The `settings_hash` of everything that this job writes."""
        return digest("mine", self.settings)

    def recorded(self, settings: MineSettings) -> dict[str, object]:
        """Return what goes into `runs`."""
        return settings.model_dump(mode="json") | {"settings_hash": self.fingerprint, **self.settings}


@dataclass(frozen=True)
class Rejected:
    """A question that cannot become a chain, and why."""

    question: Question
    reject: MiningReject
    candidates: tuple[dict[str, object], ...] = ()


def standing_rejects(store: Store, fingerprint: str) -> dict[str, int]:
    """Return how many questions stand rejected under these settings, by reason."""
    return dict(
        store.rows(
            "select reason, count(*) from rejects where stage = 'mine' and settings_hash = ? "
            "group by reason order by count(*) desc, reason",
            [fingerprint],
        )
    )


def unmined(store: Store, settings: MineSettings, fingerprint: str) -> pl.DataFrame:
    """Return id, task, study and licence of the questions that are neither mined nor rejected, studies together."""
    return store.frame(
        """
        select question_id, task, questions.study_id, """
        + _LICENCE
        + """
        from questions join reports using (study_id) join studies using (study_id)
        """
        + _PRIOR
        + """
        where question_id not in (select question_id from chains where settings_hash = $fingerprint)
          and question_id not in (
              select reject_key from rejects
              where stage = 'mine' and settings_hash = $fingerprint and reason <> $passing)
          and ($tasks is null or list_contains($tasks, task))
        order by questions.study_id, task, question_id limit $limit
        """,
        {
            "fingerprint": fingerprint,
            # A server that did not answer says nothing about the question: it is tried again.
            "passing": str(RejectReason.MODEL_CALL_FAILED),
            "tasks": None if settings.tasks is None else [str(task) for task in settings.tasks],
            "limit": settings.limit if settings.limit is not None else 2**62,
        },
    )


def note_renewals(store: Store, job: Job, todo: pl.DataFrame) -> list[str]:
    """Say how many of the questions that are left to do were mined or rejected by an older version of this engine."""
    store.replace_temporary("to_mine", todo.select("question_id"))
    renewed = store.count(
        """
        select count(*) from to_mine where question_id in (
            select question_id from chains where engine = $engine and engine_version <> $version
            union all
            select reject_key from rejects join runs using (run_id)
            where stage = 'mine' and runs.settings->>'engine' = $engine
              and coalesce(runs.settings->>'engine_version', runs.settings->>'version') <> $version)
        """,
        {"engine": job.engine, "version": job.version},
    )
    return [f"{renewed:,} of these questions had been mined by an older version of {job.engine}"] if renewed else []


def count_chains(store: Store, fingerprint: str) -> int:
    """Return how many chains were mined under these settings."""
    return store.count("select count(*) from chains where settings_hash = ?", [fingerprint])


def _outcome(engine: Engine, question: Question, report: Report) -> Mined | Rejected:
    try:
        return mine_question(engine, question, report)
    except MiningReject as reject:
        return Rejected(question, reject)


def commit(
    store: Store, job: Job, run: Run, outcomes: Sequence[Mined | Rejected], *books: StoreBooks
) -> tuple[int, int]:
    """Write outcomes, and what the books gathered, in one transaction; return the numbers of chains and rejects."""
    chains = [_row(outcome, job, run) for outcome in outcomes if isinstance(outcome, Mined)]
    rejects = [_reject_row(outcome, job, run) for outcome in outcomes if isinstance(outcome, Rejected)]
    candidates = [row for outcome in outcomes for row in outcome.candidates]
    with store.transaction():
        if outcomes:
            ids = pl.DataFrame({"question_id": [outcome.question.question_id for outcome in outcomes]})
            store.replace_temporary("finished", ids)
            store.connection.execute(
                "delete from candidates where settings_hash = ? and question_id in (select question_id from finished)",
                [job.fingerprint],
            )
            store.connection.execute(
                """
                delete from rejects where stage = 'mine' and reject_key in (select question_id from finished)
                  and (settings_hash = $fingerprint or run_id in (
                      select run_id from runs where command = 'mine' and settings->>'engine' = $engine
                        and coalesce(settings->>'engine_version', settings->>'version') is distinct from $version))
                """,
                {"fingerprint": job.fingerprint, "engine": job.engine, "version": job.version},
            )
        run.rows_written += store.insert("chains", pl.DataFrame(chains, infer_schema_length=None))
        run.rejects += store.insert("rejects", pl.DataFrame(rejects, infer_schema_length=None))
        store.insert("candidates", pl.DataFrame(candidates, infer_schema_length=None))
        for each in books:
            each.insert()
    for each in books:
        each.committed()
    return len(chains), len(rejects)


def load(store: Store, batch: pl.DataFrame) -> Iterator[tuple[Question, Report]]:
    """Return the questions whose ids a frame holds, in its order, each with its study's report.

    The report of a temporal question's prior study comes with it, if the store has that.
    """
    store.replace_temporary("batch", batch.select("question_id").with_row_index("place"))
    rows = store.frame(
        """
        select questions.*, reports.text as report, reports.sections, prior_reports.text as prior, """
        + _LICENCE
        + """
        from batch join questions using (question_id) join reports using (study_id) join studies using (study_id)
        """
        + _PRIOR
        + """
        order by place
        """
    )
    for row in rows.iter_rows(named=True):
        report = Report(
            study_id=row["study_id"],
            text=row["report"],
            sections=tuple(row["sections"] or ()),
            licence=row["licence"],
            prior=row["prior"],
        )
        yield Question(**{name: row[name] for name in Question.model_fields}), report


def _reject_row(rejected: Rejected, job: Job, run: Run) -> dict[str, object]:
    return {
        "stage": str(Stage.MINE),
        "corpus": rejected.question.study_id.partition("/")[0],
        "reject_key": rejected.question.question_id,
        "settings_hash": job.fingerprint,
        "reason": str(rejected.reject.reason),
        "message": rejected.reject.message,
        "run_id": run.run_id,
    }


def _prompts(question: Question, settings: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the prompts that a chain was made with, and the voice that was drawn for it."""
    prompts = settings.get("temporal_prompts" if question.task is Task.TEMPORAL else "prompts", [])
    voices = settings.get("voices")
    return [*prompts, drawn(question.question_id, settings.get("sampling_seed"), voices)] if voices else prompts


def _row(mined: Mined, job: Job, run: Run) -> dict[str, object]:
    return {
        "chain_id": digest("chain", mined.question.question_id, job.fingerprint),
        "question_id": mined.question.question_id,
        "study_id": mined.question.study_id,
        "task": str(mined.question.task),
        "engine": job.engine,
        "engine_version": job.version,
        "model": job.settings.get("model"),
        "prompts": _prompts(mined.question, job.settings),
        "settings_hash": job.fingerprint,
        **reasoning_columns(Reasoning(mined.plan, mined.evidence, mined.chain)),
        "run_id": run.run_id,
    }


def reasoning_columns(reasoning: Reasoning) -> dict[str, object]:
    """Return the columns in which a chain and what led to it are kept, by name."""
    plan, evidence, chain = reasoning
    return {
        "plan": plan.model_dump(mode="json")["items"],
        "evidence": [piece.model_dump(mode="json") for piece in evidence],
        "steps": chain.model_dump(mode="json")["steps"],
        "text": chain.text,
        "answer": chain.answer,
    }
