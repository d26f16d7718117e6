"""Mine: questions become chains, in batches that are committed whole; a rerun does only what is missing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import polars as pl

from miner.engines import Engine
from miner.engines.calls import call_rows
from miner.engines.checks import check_all
from miner.errors import MiningReject
from miner.settings import MineSettings
from miner.store import Run, Store, digest
from schemas.call import Call
from schemas.question import Question
from schemas.reasoning import Chain, Evidence, Plan
from schemas.study import Report
from schemas.vocabulary import RejectReason, Stage

# Rows of a batch are committed together. A model's reply takes seconds and costs money, so its batches are small.
BATCH = 500
BATCH_OF_CALLS = 8


@dataclass
class MineResult:
    """What `cxr mine` did, and all rejects that stand for this engine and these settings."""

    mined: int = 0
    already: int = 0
    new_rejects: int = 0
    rejects: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Mined:
    """The three stages of one question's reasoning."""

    question: Question
    plan: Plan
    evidence: tuple[Evidence, ...]
    chain: Chain


def mine_question(engine: Engine, question: Question, report: Report) -> Mined:
    """Plan, gather evidence and reason about one question; raises MiningReject where that fails a check."""
    plan = engine.plan(question, report)
    evidence = engine.evidence(question, plan, report)
    chain = engine.chain(question, plan, evidence, report)
    if rejection := check_all(question, plan, evidence, chain, report):
        raise MiningReject(rejection.reason, rejection.message)
    return Mined(question, plan, evidence, chain)


def mine(
    store: Store,
    engine: Engine,
    settings: MineSettings,
    calls: list[Call],
    advance: Callable[[int, int], None],
) -> MineResult:
    """Mine every question that this engine, with these settings, has neither answered nor rejected.

    `calls` is where the engine notes its attempts at a model; they are stored with each batch, whatever ends it.
    `advance(done, total)` is called after every batch. An interrupt loses at most the batch in hand.
    """
    fingerprint = digest("mine", engine.settings())
    todo = _todo(store, settings, fingerprint)
    result = MineResult(already=_count_chains(store, fingerprint))
    if todo.height:
        recorded = settings.model_dump(mode="json") | {"settings_hash": fingerprint, **engine.settings()}
        with store.run("mine", recorded) as run:
            for batch in todo.iter_slices(BATCH if engine.name == "rules" else BATCH_OF_CALLS):
                try:
                    chains, rejects = _mine_batch(store, engine, batch, fingerprint, run)
                finally:
                    _store_calls(store, engine, calls, run)
                result.mined += chains
                result.new_rejects += rejects
                advance(result.mined + result.new_rejects, todo.height)
    result.rejects = dict(
        store.rows(
            "select reason, count(*) from rejects where stage = 'mine' and settings_hash = ? "
            "group by reason order by count(*) desc",
            [fingerprint],
        )
    )
    return result


def _todo(store: Store, settings: MineSettings, fingerprint: str) -> pl.DataFrame:
    return store.frame(
        """
        select question_id from questions join reports using (study_id)
        where question_id not in (select question_id from chains where settings_hash = $fingerprint)
          and question_id not in (
              select reject_key from rejects
              where stage = 'mine' and settings_hash = $fingerprint and reason <> $passing)
          and ($tasks is null or list_contains($tasks, task))
        order by study_id, task, question_id limit $limit
        """,
        {
            "fingerprint": fingerprint,
            # A server that did not answer says nothing about the question: it is tried again.
            "passing": str(RejectReason.MODEL_CALL_FAILED),
            "tasks": None if settings.tasks is None else [str(task) for task in settings.tasks],
            "limit": settings.limit if settings.limit is not None else 2**62,
        },
    )


def _count_chains(store: Store, fingerprint: str) -> int:
    return store.count("select count(*) from chains where settings_hash = ?", [fingerprint])


def _mine_batch(store: Store, engine: Engine, batch: pl.DataFrame, fingerprint: str, run: Run) -> tuple[int, int]:
    chains: list[dict[str, object]] = []
    rejects: list[dict[str, object]] = []
    for question, report in load(store, batch):
        try:
            mined = mine_question(engine, question, report)
        except MiningReject as reject:
            rejects.append(
                {
                    "stage": str(Stage.MINE),
                    "corpus": question.study_id.partition("/")[0],
                    "reject_key": question.question_id,
                    "settings_hash": fingerprint,
                    "reason": str(reject.reason),
                    "message": reject.message,
                    "run_id": run.run_id,
                }
            )
        else:
            chains.append(_row(mined, engine, fingerprint, run))
    with store.transaction():
        store.connection.execute(
            "delete from rejects where stage = 'mine' and settings_hash = ? "
            "and reject_key in (select question_id from batch)",
            [fingerprint],
        )
        run.rows_written += store.insert("chains", pl.DataFrame(chains, infer_schema_length=None))
        run.rejects += store.insert("rejects", pl.DataFrame(rejects, infer_schema_length=None))
    return len(chains), len(rejects)


def _store_calls(store: Store, engine: Engine, calls: list[Call], run: Run) -> None:
    store.insert("calls", pl.DataFrame(call_rows(calls, engine.name, run.run_id), infer_schema_length=None))
    calls.clear()
    run.attestation = list(engine.attestations_used) or None


def load(store: Store, batch: pl.DataFrame) -> Iterator[tuple[Question, Report]]:
    """Give the questions whose ids a frame holds, in its order, each with its study's report."""
    store.replace_temporary("batch", batch.with_row_index("place"))
    rows = store.frame(
        """
        select questions.*, reports.text as report, reports.sections, studies.licence
        from batch join questions using (question_id) join reports using (study_id) join studies using (study_id)
        order by place
        """
    )
    for row in rows.iter_rows(named=True):
        question = Question(
            question_id=row["question_id"],
            study_id=row["study_id"],
            task=row["task"],
            text=row["text"],
            findings=tuple(row["findings"]),
            options=tuple(row["options"]),
            answer=row["answer"],
            answer_findings=tuple(row["answer_findings"]),
        )
        yield (
            question,
            Report(
                study_id=row["study_id"],
                text=row["report"],
                sections=tuple(row["sections"] or ()),
                licence=row["licence"],
            ),
        )


def _row(mined: Mined, engine: Engine, fingerprint: str, run: Run) -> dict[str, object]:
    dumped = mined.chain.model_dump(mode="json")
    settings = engine.settings()
    return {
        "chain_id": digest("chain", mined.question.question_id, fingerprint),
        "question_id": mined.question.question_id,
        "study_id": mined.question.study_id,
        "task": str(mined.question.task),
        "engine": engine.name,
        "engine_version": engine.version,
        "model": settings.get("model"),
        "prompts": settings.get("prompts", []),
        "settings_hash": fingerprint,
        "plan": mined.plan.model_dump(mode="json")["items"],
        "evidence": [piece.model_dump(mode="json") for piece in mined.evidence],
        "steps": dumped["steps"],
        "text": mined.chain.text,
        "answer": mined.chain.answer,
        "run_id": run.run_id,
    }
