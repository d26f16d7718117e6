"""Scoring what has not been scored: predictions of a benchmark, each with its sample, in batches that are kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import get_args, get_type_hints

import polars as pl

from cxr.miner.judge import Judge
from cxr.miner.judge.protocol import AsksAhead
from cxr.miner.judge.significance import weights_version
from cxr.miner.judge.weights import Weights
from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.kit.errors import MiningReject
from cxr.miner.kit.parallel import Advance
from cxr.miner.kit.sql import read_sql
from cxr.miner.language.version import VERSION_LENGTH, reader_version
from cxr.miner.llm.store_books import StoreBooks
from cxr.miner.store import Run, Store
from cxr.schemas.vocabulary import RejectReason, Stage
from cxr.trainer.evaluate.judging import Scored, Work, score_works
from cxr.trainer.evaluate.outputs import parts_of
from cxr.trainer.evaluate.settings import EvaluateSettings
from cxr.trainer.reward.rewards import RateScore

_SQL = read_sql("cxr.trainer.evaluate")

# Rows that are read, scored and written together; what a kill loses is one such batch.
_BATCH = 4_000


@dataclass
class ScoringResult:
    """How many predictions were scored now and before, and those that the judge gave no answer for, by reason."""

    judge: str
    judge_version: str
    scored: int = 0
    already: int = 0
    second: str = ""
    """What a second judge was asked and changed, as a sentence."""
    rejects: dict[str, int] = field(default_factory=dict)


@cache
def answers_version() -> str:
    """Return twelve hexadecimal digits that stand for how the answer of an output is read, by our reader's words."""
    read_by = ("answers", "asked", "judging", "outputs")
    code = code_digest("cxr.trainer.reward.answers", *(f"cxr.trainer.evaluate.{name}" for name in read_by))
    return digest("answers", reader_version(), code, length=VERSION_LENGTH)


def score_predictions(
    store: Store,
    benchmark: str,
    judge: Judge,
    settings: EvaluateSettings,
    advance: Advance,
    books: StoreBooks,
    *,
    models: list[str] | None = None,
    ratescore: RateScore | None = None,
) -> ScoringResult:
    """Score every prediction of a benchmark that this version of the judge has not scored; needs `bench_samples`."""
    result = ScoringResult(judge.name, judge.version)
    weights = weights_version() if settings.weights is Weights.SIGNIFICANCE else None
    job = books.job(judge.name, judge.version)
    result.already = store.count(
        "select count(*) from prediction_scores "
        "where benchmark = ? and judge = ? and judge_version = ? and answers_version = ? "
        "and (? is null or n_pred is null or weights = ?)",
        [benchmark, judge.name, judge.version, answers_version(), weights, weights],
    )
    asked = {"ratescore": ratescore is not None, "weights": weights}
    total = _prepare(store, benchmark, judge, job, models, asked)
    if total:
        recorded: dict[str, object] = {"benchmark": benchmark, "judge": judge.name, "judge_version": judge.version}
        recorded["ratescore"] = None if ratescore is None else ratescore.name
        with store.run("evaluate", settings.model_dump(mode="json", exclude={"attestations"}) | recorded) as run:
            scoring = _Scoring(store, benchmark, judge, run, books, ratescore, weights)
            scoring.all(total, settings.processes, advance)
            result.scored = run.rows_written
            result.second = judge.told() if isinstance(judge, AsksAhead) else ""
    result.rejects = dict(
        store.rows(
            "select reason, count(*) from rejects where stage = 'evaluate' and settings_hash = ? and reject_key in "
            "(select prediction_id from predictions where benchmark = ?) group by reason order by 2 desc, 1",
            [job, benchmark],
        )
    )
    return result


def _prepare(
    store: Store, benchmark: str, judge: Judge, job: str, models: list[str] | None, asked: Mapping[str, object]
) -> int:
    """Make the temporary table `work` of what is to be scored, and give its rows' number."""
    store.connection.execute(
        _SQL["work"],
        {
            "benchmark": benchmark,
            "models": models,
            "judge": judge.name,
            "version": judge.version,
            "answers": answers_version(),
            **asked,
            "job": job,
            "passing": str(RejectReason.MODEL_CALL_FAILED),
        },
    )
    return store.count("select count(*) from work")


class _Scoring:
    """One run of a judge over the table `work`, batch by batch, each committed whole."""

    def __init__(
        self,
        store: Store,
        benchmark: str,
        judge: Judge,
        run: Run,
        books: StoreBooks,
        ratescore: RateScore | None,
        weights: str | None,
    ) -> None:
        self._store, self._benchmark, self._judge, self._weights = store, benchmark, judge, weights
        self._run, self._books, self._ratescore = run, books, ratescore
        self._job = books.job(judge.name, judge.version)
        books.owned_by(run, self._job)

    def all(self, total: int, processes: int | None, advance: Advance) -> None:
        """Score the whole table; what was finished is kept whatever ends the run."""
        finished: list[tuple[Work, Scored | MiningReject]] = []
        # A server's answers cost money: they are written as they come.
        at_once = _BATCH if self._judge.workers == 1 else 8 * self._judge.workers
        try:
            for outcome in score_works(self._judge, self._works(total), total, processes, self._weights):
                finished.append(outcome)
                if len(finished) >= at_once:
                    self._commit(finished)
                    finished = []
                    advance(self._run.rows_written + self._run.rejects, total)
        finally:
            self._commit(finished)

    def _works(self, total: int) -> Iterator[Work]:
        for first in range(0, total, _BATCH):
            rows = self._store.rows(
                "select prediction_id, question_id, licence, text, task, options, answer, answer_findings, reference, "
                "report, question from work where place >= ? and place < ? order by place",
                [first, first + _BATCH],
            )
            for row in rows:
                work = Work(*row)
                yield work._replace(
                    options=tuple(work.options or ()), answer_findings=tuple(work.answer_findings or ())
                )

    def _commit(self, finished: Sequence[tuple[Work, Scored | MiningReject]]) -> None:
        scores = [outcome for _, outcome in finished if isinstance(outcome, Scored)]
        rejected = [(work, outcome) for work, outcome in finished if isinstance(outcome, MiningReject)]
        frame = pl.DataFrame(scores, schema=_SCORES, orient="row")
        done = pl.Series("prediction_id", [work.prediction_id for work, _ in finished], pl.String)
        self._store.replace_temporary("scored_now", frame.with_columns(self._ratescores(scores)))
        self._store.replace_temporary("done_now", done.to_frame())
        with self._store.transaction():
            parameters = [self._judge.name, self._judge.version]
            self._store.connection.execute(
                "delete from prediction_scores where judge = ? and judge_version = ? "
                "and prediction_id in (select prediction_id from done_now)",
                parameters,
            )
            self._store.connection.execute(
                "delete from rejects where stage = 'evaluate' and settings_hash = ? "
                "and reject_key in (select prediction_id from done_now)",
                [self._job],
            )
            self._store.connection.execute(
                _SQL["add_scores"], [self._benchmark, *parameters, answers_version(), self._run.run_id]
            )
            self._run.rows_written += frame.height
            self._run.rejects += self._store.insert("rejects", self._reject_rows(rejected))
            self._books.insert()
        self._books.committed()

    def _ratescores(self, scores: Sequence[Scored]) -> pl.Series:
        """Return RaTEScore of every open answer in the batch, where its weights are given; an empty one is worth 0."""
        opened = [score.prediction_id for score in scores if score.finding_f1 is not None]
        found: dict[str, float] = {}
        if self._ratescore is not None and opened:
            self._store.replace_temporary("opened_now", pl.DataFrame({"prediction_id": opened}))
            rows = self._store.rows(
                "select prediction_id, text, answer from work join opened_now using (prediction_id) order by place"
            )
            said = {key: (parts_of(text)[1], truth) for key, text, truth in rows}
            found = {key: 0.0 for key, (answer, _) in said.items() if not answer}
            asked = {key: pair for key, pair in said.items() if pair[0]}
            if asked:
                answers, truths = zip(*asked.values(), strict=True)
                found |= dict(zip(asked, self._ratescore(answers, truths), strict=True))
        return pl.Series("ratescore", [found.get(score.prediction_id) for score in scores], pl.Float64)

    def _reject_rows(self, rejected: Sequence[tuple[Work, MiningReject]]) -> pl.DataFrame:
        return pl.DataFrame(
            [
                {
                    "stage": str(Stage.EVALUATE), "corpus": "predictions", "reject_key": work.prediction_id,
                    "settings_hash": self._job, "reason": str(reject.reason), "message": reject.message,
                    "run_id": self._run.run_id,
                }
                for work, reject in rejected
            ]
        )  # fmt: skip


_TYPES = {str: pl.String(), bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64(), list[str]: pl.List(pl.String())}
_SCORES = {
    name: _TYPES[next(one for one in (kind, *get_args(kind)) if one in _TYPES)]
    for name, kind in get_type_hints(Scored).items()
}
