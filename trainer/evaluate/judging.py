"""One prediction: whether its answer is right, and how factual, complete and effective its reasoning is."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice
from typing import Any, NamedTuple

from cxr.miner.judge import Judge
from cxr.miner.judge.radrscore import score_reasoning
from cxr.miner.judge.weighted import weigh
from cxr.miner.kit.errors import MiningReject
from cxr.miner.kit.parallel import ordered_map, process_map, processors
from cxr.miner.pack import pack
from cxr.schemas import Finding
from cxr.schemas.vocabulary import Licence
from cxr.trainer.evaluate.answers import read_output
from cxr.trainer.evaluate.outputs import parts_of
from cxr.trainer.reward.answers import findings_named
from cxr.trainer.reward.rewards import finding_f1, is_open

# Predictions of one task for a worker process: large enough that sending them costs little beside judging them.
_CHUNK = 100
# Fewer are judged sooner than a process starts.
_ALONE = 400


class Work(NamedTuple):
    """A prediction with what its sample says; `reference` and `report` are None where no reasoning is to be judged."""

    prediction_id: str
    question_id: str
    licence: str
    text: str
    task: str
    options: tuple[str, ...]
    answer: str
    answer_findings: tuple[str, ...]
    reference: str | None
    report: str | None
    question: str = ""


class Scored(NamedTuple):
    """What a reading of the answer and a judge of the reasoning said; counts are None where nothing was judged."""

    prediction_id: str
    answer: str | None
    answer_read: str
    unparsed: bool
    correct: float | None
    finding_f1: float | None
    n_pred: int | None = None
    n_correct: int | None = None
    n_gt: int | None = None
    n_recalled: int | None = None
    n_effective: int | None = None
    n_ineffective: int | None = None
    n_not_assessable: int | None = None
    factuality: float | None = None
    completeness: float | None = None
    effectiveness: float | None = None
    radrscore: float | None = None
    errors: list[str] | None = None
    """In what each wrong finding is wrong, where the judge says so."""
    weighted: float | None = None
    weights: str | None = None


def score_prediction(work: Work, judge: Judge, weights: str | None = None) -> Scored:
    """Score one prediction, with weights where they are named; raises MiningReject without a usable answer."""
    said = read_output(work.text, work.task, work.options, work.question)
    opened = is_open(work.task, work.options)
    f1 = finding_f1(said.findings, _true_findings(work)) if opened else None
    if opened and not said.parsed:
        f1 = 0.0  # not even "no finding" was said
    right = None if opened else float((said.value or "").casefold() == work.answer.casefold())
    scored = Scored(work.prediction_id, said.value, str(said.how), not said.parsed, right, f1)
    if work.reference is None or work.report is None:
        return scored
    reasoning, _ = parts_of(work.text)
    known: Any = judge
    reference = _reference(known, work.reference) if judge.workers == 1 else judge.extract(work.reference)
    result = score_reasoning(reasoning, reference, work.report, judge)
    factual = [item.factual for item in result.prediction]
    n_pred = sum(flag is not None for flag in factual)
    n_effective = sum(flag is True for flag in result.effective)
    return scored._replace(
        n_pred=n_pred,
        n_correct=sum(flag is True for flag in factual),
        n_gt=len(result.reference),
        n_recalled=sum(result.recalled),
        n_effective=n_effective,
        n_ineffective=n_pred - n_effective,
        n_not_assessable=len(factual) - n_pred,
        **result.score.model_dump(),
        radrscore=result.score.radrscore,
        weighted=None if weights is None else weigh(result, work.report).score,
        weights=weights,
        errors=[str(item.error) for item in result.prediction if item.error is not None],
    )


def _true_findings(work: Work) -> tuple[str, ...]:
    """Return the findings of the true answer by our names; imported benchmarks write them in their own way."""
    asked = pack().question_labels
    listed = tuple(
        label for name in work.answer_findings if (label := pack().label_called(name)) is not None and label in asked
    )
    return listed if len(listed) == len(work.answer_findings) > 0 else findings_named(work.answer)


@lru_cache(maxsize=1024)
def _reference(judge: Any, text: str) -> tuple[Finding, ...]:
    """Read a reference reasoning once for all models that answered its question."""
    return tuple(judge.extract(text))


def score_works(
    judge: Judge, works: Iterable[Work], count: int, processes: int | None, weights: str | None = None
) -> Iterator[tuple[Work, Scored | MiningReject]]:
    """Score predictions in order: in threads with a judge that waits, in worker processes with one that computes.

    `processes` are by default as many as there are processors; a few predictions are judged sooner than one starts.
    """
    if judge.workers > 1:
        yield from ordered_map(partial(_outcome, judge, weights), works, judge.workers)
        return
    wanted = 1 if count <= _ALONE else processes or min(processors(), 16)
    source = iter(works)
    size = 1 if wanted == 1 else _CHUNK
    chunks = iter(lambda: list(islice(source, size)), [])
    for outcomes in process_map(partial(_outcomes, judge, weights), chunks, wanted):
        yield from outcomes


def _outcomes(judge: Judge, weights: str | None, works: Sequence[Work]) -> list[tuple[Work, Scored | MiningReject]]:
    return [_outcome(judge, weights, work) for work in works]


def _outcome(judge: Judge, weights: str | None, work: Work) -> tuple[Work, Scored | MiningReject]:
    """Score one prediction; what the judge sends anywhere carries the question's id and the text's licence."""
    try:
        bound = judge.bound(work.question_id, Licence(work.licence))
        return work, score_prediction(work, bound, weights)
    except MiningReject as reject:
        return work, reject
