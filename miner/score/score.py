"""Score: RadRScore of every chain against its report, with its own evidence as the reference reasoning.

A mined chain *is* the reference reasoning of its question, so there is no second one to compare it with. What
it must be true to is the evidence it was made from: E_pred are the findings of the chain's text, E_ref those
of its evidence. Factuality then says whether the report supports the chain, completeness whether the chain
tells all of the evidence, and effectiveness whether it tells nothing beside it (design.md, "RadRScore").
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from cxr.miner.judge import Judge, open_judge
from cxr.miner.judge.protocol import AskedAhead, AsksAhead
from cxr.miner.judge.radrscore import ScoredReasoning, score_reasoning
from cxr.miner.judge.significance import weights_version
from cxr.miner.judge.weighted import weigh
from cxr.miner.judge.weights import Weights
from cxr.miner.kit.errors import MiningReject
from cxr.miner.kit.parallel import Advance, ordered_map
from cxr.miner.kit.sql import read_sql
from cxr.miner.llm.store_books import StoreBooks
from cxr.miner.mine.job import BATCH
from cxr.miner.score.settings import ScoreSettings
from cxr.miner.store import Run, Store
from cxr.schemas.finding import Finding, JudgedFinding
from cxr.schemas.vocabulary import Licence, RejectReason, Stage

_SQL = read_sql("cxr.miner.score")


@dataclass
class ScoreResult:
    """What `cxr score` did, and the means over all chains that this judge has scored."""

    scored: int = 0
    already: int = 0
    judge: str = ""
    means: tuple[tuple[str, int, float, float, float, float, float | None], ...] = ()
    """By task: chains, the three shares, RadRScore, and the weighted score where it was asked for."""
    errors: tuple[tuple[str, int, int], ...] = ()
    """What its wrong findings are wrong in: attribute, findings, chains."""
    renewed: int = 0
    """Of those scored, chains that an older version of this judge had scored."""
    second: str = ""
    """What a second judge was asked and changed, as a sentence; empty where there is none."""
    rejects: dict[str, int] = field(default_factory=dict)
    """Chains that stand unscored because the judge gave no usable answer, by reason."""


def score_chains(db: Path, settings: ScoreSettings, advance: Advance) -> ScoreResult:
    """Open store and judge, and score what this judge has not scored; the same call goes on where one stopped.

    Raises PolicyError before anything is sent, BudgetReached or EngineStopped after everything that was finished has
    been written.
    """
    with Store.write(db) as store:
        licences = store.rows("select distinct licence from newest_chains join studies using (study_id)")
        books = StoreBooks(store, "score", [Licence(licence) for (licence,) in licences])
        with open_judge(settings, books) as judge:
            return score(store, judge, settings, advance, books)


def score(
    store: Store,
    judge: Judge,
    settings: ScoreSettings,
    advance: Advance,
    books: StoreBooks | None = None,
) -> ScoreResult:
    """Score every chain that this version of the judge has not scored; `advance(done, total)` after each batch."""
    books = books or StoreBooks(store, "score")
    job = books.job(judge.name, judge.version)
    weights = weights_version() if settings.weights is Weights.SIGNIFICANCE else None
    todo = _unscored(store, judge, job, weights)
    result = ScoreResult(judge=f"{judge.name} {judge.version}")
    result.already = store.count(
        "select count(*) from scores where judge = ? and judge_version = ? and (? is null or weights = ?)",
        [judge.name, judge.version, weights, weights],
    )
    store.replace_temporary("to_score", todo)
    result.renewed = store.count(
        "select count(*) from to_score where chain_id in "
        "(select chain_id from scores where judge = ? and judge_version <> ?)",
        [judge.name, judge.version],
    )
    if todo.height:
        recorded = settings.model_dump(mode="json") | {"judge": judge.name, "judge_version": judge.version}
        with store.run("score", recorded | dict(judge.settings())) as run:
            scoring = _Scoring(store, judge, run, books, job, weights)
            for batch in todo.iter_slices(scoring.batch):
                scoring.score(batch)
                result.scored = run.rows_written
                advance(run.rows_written + run.rejects, todo.height)
            result.second = scoring.told()
    result.rejects = dict(
        store.rows(
            "select reason, count(*) from rejects where stage = 'score' and settings_hash = ? "
            "group by reason order by count(*) desc, reason",
            [job],
        )
    )
    result.means = tuple(store.rows(_SQL["means"], [judge.name, judge.version]))
    result.errors = tuple(store.rows(_SQL["errors"], [judge.name, judge.version]))
    return result


def _unscored(store: Store, judge: Judge, job: str, weights: str | None) -> pl.DataFrame:
    """Return the chains to score, those without the weights that are asked for among them.

    One that the server did not answer for is tried again, any other reject is not.
    """
    asked = {"judge": judge.name, "version": judge.version, "job": job, "weights": weights}
    return store.frame(_SQL["unscored"], asked | {"passing": str(RejectReason.MODEL_CALL_FAILED)})


class _Scoring:
    """One run of a judge over batches of chains, each committed whole."""

    def __init__(self, store: Store, judge: Judge, run: Run, books: StoreBooks, job: str, weights: str | None) -> None:
        self._store, self._judge, self._run, self._books, self._job = store, judge, run, books, job
        self._weights = weights
        # Small enough that scores appear while a slow server works, large enough to keep it busy.
        self.batch = BATCH if judge.workers == 1 else min(BATCH, 8 * judge.workers)
        books.owned_by(run, job)

    def told(self) -> str:
        """Return what a second judge was asked, changed and cost; empty where the judge has none."""
        said = self._judge.told() if isinstance(self._judge, AsksAhead) else ""
        client = self._books.client
        return f"{said}; {client.spending}" if said and client is not None else said

    def score(self, batch: pl.DataFrame) -> None:
        """Score one batch and write what came of it, finished chains also where an error ends the run."""
        self._store.replace_temporary("batch", batch.with_row_index("place"))
        rows = self._store.frame(_SQL["batch"]).to_dicts()
        finished: list[tuple[dict[str, Any], ScoredReasoning | MiningReject]] = []
        try:
            if isinstance(self._judge, AsksAhead):
                self._judge.ahead(self._by_report())
            for outcome in ordered_map(self._one, rows, self._judge.workers):
                finished.append(outcome)  # noqa: PERF402 - what came before an error is kept
        finally:
            self._commit(finished)

    def _by_report(self) -> list[AskedAhead]:
        """Return all newest chains of the batch's reports, scored ones too: a rerun then asks what was asked before."""
        return [
            AskedAhead(row["report"], tuple(row["texts"]), row["question_id"], Licence(row["licence"]))
            for row in self._store.frame(_SQL["by_report"]).to_dicts()
        ]

    def _one(self, row: dict[str, Any]) -> tuple[dict[str, Any], ScoredReasoning | MiningReject]:
        judge = self._judge.bound(row["question_id"], Licence(row["licence"]))
        try:
            return row, score_reasoning(row["text"], " ".join(row["statements"]), row["report"], judge)
        except MiningReject as reject:
            return row, reject

    def _commit(self, finished: list[tuple[dict[str, Any], ScoredReasoning | MiningReject]]) -> None:
        by = {"judge": self._judge.name, "judge_version": self._judge.version, "run_id": self._run.run_id}
        scores: list[dict[str, object]] = []
        findings: list[dict[str, object]] = []
        rejects: list[dict[str, object]] = []
        for row, outcome in finished:
            if isinstance(outcome, MiningReject):
                rejects.append(self._reject_row(row, outcome))
                continue
            key = {"chain_id": row["chain_id"]} | by
            scores.append(key | _score_row(outcome) | self._weighted(outcome, row["report"]))
            findings += [key | finding for finding in _finding_rows(outcome)]
        with self._store.transaction():
            if finished:
                self._forget_rejects([row["chain_id"] for row, _ in finished])
            if self._weights is not None:
                self._forget_scores([score["chain_id"] for score in scores])
            self._store.insert("findings", pl.DataFrame(findings, infer_schema_length=None))
            self._run.rows_written += self._store.insert("scores", pl.DataFrame(scores, infer_schema_length=None))
            self._run.rejects += self._store.insert("rejects", pl.DataFrame(rejects, infer_schema_length=None))
            self._books.insert()
        self._books.committed()

    def _weighted(self, scored: ScoredReasoning, report: str) -> dict[str, object]:
        if self._weights is None:
            return {"weighted": None, "weights": None}
        return {"weighted": weigh(scored, report).score, "weights": self._weights}

    def _forget_scores(self, chain_ids: list[object]) -> None:
        """Make room for scores with weights where this judge has given the same without."""
        self._store.replace_temporary("weighed", pl.DataFrame({"chain_id": chain_ids}, schema={"chain_id": pl.String}))
        for statement in ("forget_scores", "forget_findings"):
            self._store.connection.execute(_SQL[statement], [self._judge.name, self._judge.version])

    def _forget_rejects(self, chain_ids: list[str]) -> None:
        self._store.replace_temporary("finished", pl.DataFrame({"chain_id": chain_ids}))
        self._store.connection.execute(
            "delete from rejects where stage = 'score' and settings_hash = ? "
            "and reject_key in (select chain_id from finished)",
            [self._job],
        )

    def _reject_row(self, row: dict[str, Any], reject: MiningReject) -> dict[str, object]:
        return {
            "stage": str(Stage.SCORE),
            "corpus": row["study_id"].partition("/")[0],
            "reject_key": row["chain_id"],
            "settings_hash": self._job,
            "reason": str(reject.reason),
            "message": reject.message,
            "run_id": self._run.run_id,
        }


def _score_row(scored: ScoredReasoning) -> dict[str, object]:
    factual = [judged.factual for judged in scored.prediction]
    return {
        "factuality": scored.score.factuality,
        "completeness": scored.score.completeness,
        "effectiveness": scored.score.effectiveness,
        "radrscore": scored.score.radrscore,
        "n_findings": sum(flag is not None for flag in factual),
        "n_factual": sum(flag is True for flag in factual),
        "n_not_assessable": sum(flag is None for flag in factual),
        "n_reference": len(scored.reference),
        "n_recalled": sum(scored.recalled),
        "n_effective": sum(flag is True for flag in scored.effective),
    }


def _finding_rows(scored: ScoredReasoning) -> list[dict[str, object]]:
    predicted = [
        _finding_row("chain", number, judged.finding) | _verdict_row(judged) | {"effective": effective}
        for number, (judged, effective) in enumerate(zip(scored.prediction, scored.effective, strict=True), start=1)
    ]
    expected = [
        _finding_row("evidence", number, finding) | {"recalled": recalled}
        for number, (finding, recalled) in enumerate(zip(scored.reference, scored.recalled, strict=True), start=1)
    ]
    return predicted + expected


def _finding_row(origin: str, number: int, finding: Finding) -> dict[str, object]:
    return {
        "origin": origin,
        "finding_no": number,
        "observation": finding.observation,
        "status": finding.status,
        "normal_forms": [form.model_dump(mode="json") for form in finding.normal_forms],
        "start": finding.span.start if finding.span else None,
        "end": finding.span.end if finding.span else None,
    }


def _verdict_row(judged: JudgedFinding) -> dict[str, object]:
    return {
        "verdict": str(judged.verdict),
        "factual": judged.factual,
        "reason": judged.reason,
        "error": None if judged.error is None else str(judged.error),
        "extra_detail": judged.extra_detail,
        "sureness": judged.sureness,
        "first_verdict": None if judged.first_verdict is None else str(judged.first_verdict),
        "evidence": [quote.model_dump(mode="json") for quote in judged.evidence],
    }
