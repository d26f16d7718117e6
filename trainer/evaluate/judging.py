"""One prediction: whether its answer is right, and how factual, complete and effective its reasoning is."""

import os
import re
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context
from typing import NamedTuple

from cxr.miner.judge import Judge, RulesJudge
from cxr.miner.judge.radrscore import score_reasoning
from cxr.miner.kit.errors import CxrError, MiningReject
from cxr.miner.kit.parallel import ordered_map
from cxr.schemas import QUESTION_FINDINGS, Finding
from cxr.trainer.reward.answers import findings_named, read_answer
from cxr.trainer.reward.rewards import finding_f1, is_open

_TAG = re.compile(r"<\s{0,2}(/?)\s{0,2}(think|answer)\s{0,2}>", re.IGNORECASE)

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


def parts_of(text: str) -> tuple[str, str]:
    """Give the reasoning and the answer of an output, whatever its form; one without tags is both.

    Reasoning is what stands in <think>, to the end of the text where that never closes; without <think>, it is all
    that is not in <answer>. The answer is the last <answer> block, or else what follows the reasoning.
    """
    blocks: dict[str, list[tuple[int, int, int]]] = {"think": [], "answer": []}
    opened: tuple[str, int, int] | None = None
    for tag in _TAG.finditer(text):
        name = tag[2].lower()
        if opened is not None:
            blocks[opened[0]].append((opened[1], tag.start(), opened[2]))
            opened = None
        if not tag[1]:
            opened = (name, tag.end(), tag.start())
    if opened is not None:
        blocks[opened[0]].append((opened[1], len(text), opened[2]))
    answer = text[slice(*blocks["answer"][-1][:2])] if blocks["answer"] else ""
    if blocks["think"]:
        reasoning = "\n".join(text[start:end] for start, end, _ in blocks["think"])
        after = text[blocks["think"][-1][1] :]
        return reasoning.strip(), (answer if blocks["answer"] else _TAG.sub(" ", after)).strip()
    if not blocks["answer"]:
        return _TAG.sub(" ", text).strip(), _TAG.sub(" ", text).strip()
    outside, at = [], 0
    for start, end, tag_start in blocks["answer"]:
        outside.append(text[at:tag_start])
        at = max(at, end, start)
    outside.append(text[at:])
    return _TAG.sub(" ", "\n".join(outside)).strip(), answer.strip()


def score_prediction(work: Work, judge: Judge) -> Scored:
    """Score one prediction; raises MiningReject where the judge gives no usable answer."""
    said = read_answer(work.text, work.task, work.options)
    opened = is_open(work.task, work.options)
    f1 = finding_f1(said.findings, _true_findings(work)) if opened else None
    if opened and not said.parsed:
        f1 = 0.0  # not even "no finding" was said
    right = None if opened else float((said.value or "").casefold() == work.answer.casefold())
    scored = Scored(work.prediction_id, said.value, str(said.how), not said.parsed, right, f1)
    if work.reference is None or work.report is None:
        return scored
    reasoning, _ = parts_of(work.text)
    reference = _reference(work.reference) if isinstance(judge, RulesJudge) else judge.extract(work.reference)
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
        factuality=result.score.factuality,
        completeness=result.score.completeness,
        effectiveness=result.score.effectiveness,
        radrscore=result.score.radrscore,
    )


def _true_findings(work: Work) -> tuple[str, ...]:
    """Give the findings of the true answer by our names; imported benchmarks write them in their own way."""
    known = {finding.casefold(): str(finding) for finding in QUESTION_FINDINGS}
    listed = tuple(known[name.casefold()] for name in work.answer_findings if name.casefold() in known)
    return listed if len(listed) == len(work.answer_findings) > 0 else findings_named(work.answer)


@lru_cache(maxsize=1024)
def _reference(text: str) -> tuple[Finding, ...]:
    """Read a reference reasoning once for all models that answered its question."""
    return tuple(RulesJudge().extract(text))


def score_chunk(works: Sequence[Work]) -> list[Scored]:
    """Score predictions with the rules judge: what a worker process does."""
    judge = RulesJudge()
    return [score_prediction(work, judge) for work in works]


def score_with_rules(works: Iterable[Work], count: int, processes: int | None) -> Iterator[Scored]:
    """Score predictions in order, on as many processes as there are processors, or as are given."""
    wanted = processes or min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, 16)
    if wanted <= 1 or count <= _ALONE:
        yield from score_chunk(list(works)) if count <= _ALONE else _one_by_one(works)
        return
    source = iter(works)
    waiting: deque[Future[list[Scored]]] = deque()
    # Spawned, not forked: DuckDB and Polars have threads by now.
    with ProcessPoolExecutor(wanted, mp_context=get_context("spawn"), initializer=_leave_interrupts) as pool:
        try:
            while chunk := list(islice(source, _CHUNK)):
                waiting.append(pool.submit(score_chunk, chunk))
                if len(waiting) > 3 * wanted:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenExecutor:
            raise CxrError(
                "a process that judges predictions ended before its time; what was judged is kept: run the same "
                "command again, with --processes 1 if the memory is short"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Let Ctrl-C end the command, which then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _one_by_one(works: Iterable[Work]) -> Iterator[Scored]:
    judge = RulesJudge()
    for work in works:
        yield score_prediction(work, judge)


def score_with(
    judge_of: Callable[[Work], Judge], works: Iterable[Work], workers: int
) -> Iterator[tuple[Work, Scored | MiningReject]]:
    """Score predictions in order with a judge that waits for a server, many at once."""

    def one(work: Work) -> tuple[Work, Scored | MiningReject]:
        try:
            return work, score_prediction(work, judge_of(work))
        except MiningReject as reject:
            return work, reject

    yield from ordered_map(one, works, workers)
