"""Several chains for one question, each judged, the best kept; and a chain whose claims are not borne out, mended.

Of `--calls 3` plan and evidence are asked for once and the chain several times; of `--calls 1` the whole reply. The
first candidate is what would be asked for without any of this, so that it is found in the reply cache.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from cxr.miner.judge.radrscore import ScoredReasoning
from cxr.miner.kit.alike import alike
from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import MiningReject
from cxr.miner.mine.checks import check_all
from cxr.miner.mine.engines import Reasoning
from cxr.miner.mine.engines.llm import LLMEngine
from cxr.miner.mine.engines.repair import objections
from cxr.miner.mine.job import reasoning_columns
from cxr.miner.mine.settings import MineSettings
from cxr.schemas.question import Question
from cxr.schemas.study import Report

Score = Callable[[Question, Report, Reasoning], Awaitable[ScoredReasoning]]
"""Judges a chain against its report and its own evidence, as `cxr score` does; raises MiningReject if it cannot."""

KEPT = "kept"
_SHARES = (
    ("factuality", "less factual"),
    ("completeness", "as factual, and tells less of its evidence"),
    ("effectiveness", "as factual and complete, and tells more beside its evidence"),
)
_LATER = "as good, and drawn later"


@dataclass(frozen=True)
class Candidate:
    """One chain that was drawn or repaired: what came of it, what the judge said, and why it was kept or not."""

    number: int
    sampling: dict[str, object]
    style: str | None = None
    """The voice that the model was asked for."""
    reasoning: Reasoning | None = None
    reject: MiningReject | None = None
    """Why it is no chain, or could not be judged."""
    scored: ScoredReasoning | None = None
    repairs: int | None = None
    """The candidate that it mends."""
    alike: int | None = None
    """The first candidate of the question that says nearly the same words."""
    why: str = ""

    @property
    def rank(self) -> tuple[float, ...]:
        """What is compared, the higher the better: the shares of RadRScore; a chain that nobody judged comes last."""
        if self.scored is None:
            return (-1.0,) * len(_SHARES)
        return tuple(getattr(self.scored.score, name) or 0.0 for name, _ in _SHARES)

    @property
    def is_factual(self) -> bool:
        """Whether the report bears out all that the chain says."""
        return self.scored is not None and self.scored.score.factuality == 1.0


class Chosen(NamedTuple):
    """The reasoning that is kept, and all candidates in the order they were made."""

    kept: Candidate
    candidates: tuple[Candidate, ...]


@dataclass
class Choosing:
    """What choosing came to so far, for people."""

    questions: int = 0
    drawn: int = 0
    bettered: int = 0
    """Questions whose chain is not the first that was drawn."""
    alike: int = 0
    """Candidates in nearly the words of an earlier one."""
    repaired: int = 0
    mended: int = 0
    """Repaired chains that were better than what they mend."""
    unjudged: int = 0
    has_passed: bool = False
    """Whether any chain has passed its checks so far."""

    def add(self, candidates: Sequence[Candidate]) -> None:
        """Count one question's candidates."""
        self.questions += 1
        for each in candidates:
            self.drawn += each.repairs is None
            self.repaired += each.repairs is not None
            self.mended += each.repairs is not None and each.why == KEPT
            self.alike += each.alike is not None
            self.unjudged += each.reasoning is not None and each.scored is None
            self.bettered += each.why == KEPT and each.number > 1

    def notes(self) -> list[str]:
        """Return what is to be said at the end of a run, a sentence each."""
        if not self.questions:
            return []
        drawn = f"{self.drawn:,} chains drawn for {self.questions:,} questions"
        said = [f"{drawn}; for {self.bettered:,} another one than the first is kept (table candidates)"]
        if self.repaired:
            said.append(f"{self.repaired:,} chains repaired, {self.mended:,} of them better than before, and kept")
        if self.alike:
            said.append(
                f"{self.alike:,} candidates say nearly the words of an earlier one of the same question: a higher "
                "candidate_temperature, or fewer candidates, buys more"
            )
        if self.unjudged:
            said.append(f"{self.unjudged:,} candidates could not be judged")
        return said


def sampling_of(settings: MineSettings, number: int) -> dict[str, object]:
    """Return how a candidate is sampled otherwise than the settings say; nothing for the first."""
    if number == 1:
        return {}
    sampling: dict[str, object] = {"seed": (settings.sampling_seed or 0) + number - 1}
    if settings.temperature is not None:
        sampling["temperature"] = settings.temperature or settings.candidate_temperature
    return sampling


@dataclass(frozen=True)
class Chooser:
    """Draws, judges, repairs and chooses for one engine."""

    engine: LLMEngine
    settings: MineSettings
    score: Score
    made: Callable[[str], object] = lambda _: None
    """Is told the id of a question as soon as one of its chains has passed its checks."""
    side_by_side: bool = False
    """Whether candidates are asked for at once from the first question on, as in a batch; else after a chain passed."""
    totals: Choosing = field(default_factory=Choosing)

    async def choose(self, question: Question, report: Report) -> Chosen:
        """Return the best chain of a question, and all that were made for it.

        Raises MiningReject where plan or evidence cannot be had, and NoCandidate where no chain passes its checks; and
        what ends a run, from the client and the judge.
        """
        candidates = await self._draw(question, report)
        best = max(candidates, key=lambda each: (each.reasoning is not None, each.rank, -each.number))
        if best.reasoning is None:
            raise NoCandidate(candidates)
        if self.settings.repair and best.scored is not None and objections(best.scored.prediction):
            mended = await self._repair(question, report, best, len(candidates) + 1)
            candidates.append(mended)
            if mended.reasoning is not None and mended.rank > best.rank:
                best = mended
        told = tuple(replace(each, why=_why(each, best)) for each in _marked(candidates))
        self.totals.add(told)
        return Chosen(next(each for each in told if each.why == KEPT), told)

    async def _draw(self, question: Question, report: Report) -> list[Candidate]:
        first = None
        if self.settings.calls != 1:
            plan = await self.engine.plan(question, report)
            first = plan, await self.engine.evidence(question, plan, report)

        async def one(number: int) -> Candidate:
            sampling = sampling_of(self.settings, number)
            engine = self.engine.sampled(sampling)

            async def reason() -> Reasoning:
                if first is None:
                    return await engine.reason(question, report)
                return Reasoning(*first, await engine.chain(question, *first, report))

            style = engine.style_of(question)
            empty = Candidate(number, sampling, None if style is None else style.name)
            return await self._made(question, report, empty, reason)

        left, made = list(range(1, self.settings.best_of + 1)), list[Candidate]()
        alone = self.settings.until_factual
        while left and (alone or not (self.side_by_side or self.totals.has_passed)):
            made.append(await one(left.pop(0)))
            if alone and made[-1].is_factual:
                return made
        return [*made, *await _all_of([one(number) for number in left])]

    async def _repair(self, question: Question, report: Report, best: Candidate, number: int) -> Candidate:
        assert best.reasoning is not None  # noqa: S101 - there is something to mend
        assert best.scored is not None  # noqa: S101 - likewise
        plan, evidence, chain = best.reasoning
        against = objections(best.scored.prediction)

        async def mend() -> Reasoning:
            again = await self.engine.repaired(question, plan, evidence, chain, against, report)
            return Reasoning(plan, evidence, again)

        return await self._made(question, report, Candidate(number, {}, repairs=best.number), mend)

    async def _made(
        self, question: Question, report: Report, empty: Candidate, make: Callable[[], Awaitable[Reasoning]]
    ) -> Candidate:
        """Return a candidate with what came of it; what ends a run is raised."""
        try:
            reasoning = await make()
            if rejection := check_all(question, *reasoning, report):
                raise MiningReject(*rejection)
        except MiningReject as reject:
            return replace(empty, reject=reject)
        self.totals.has_passed = True
        self.made(question.question_id)
        try:
            return replace(empty, reasoning=reasoning, scored=await self.score(question, report, reasoning))
        except MiningReject as reject:
            return replace(empty, reasoning=reasoning, reject=reject)


class NoCandidate(MiningReject):
    """No candidate of a question became a chain; the reason is the first one's."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        first = candidates[0].reject
        assert first is not None  # noqa: S101 - that is why it is none
        super().__init__(first.reason, first.message)
        vars(self).update(vars(first))
        self.candidates = tuple(replace(each, why=_why(each, None)) for each in candidates)


async def _all_of(asked: Sequence[Awaitable[Candidate]]) -> list[Candidate]:
    """Wait for all, so that what was paid for is kept, then raise what ends the run."""
    made = await asyncio.gather(*asked, return_exceptions=True)
    for each in made:
        if isinstance(each, BaseException):
            raise each
    return [each for each in made if isinstance(each, Candidate)]


def _marked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Say of each candidate which earlier one it nearly repeats."""
    chains = [each for each in candidates if each.reasoning is not None]
    found = alike([each.reasoning.chain.text for each in chains if each.reasoning is not None])
    first = {
        each.number: None if match is None else chains[match.first].number
        for each, match in zip(chains, found, strict=True)
    }
    return [replace(each, alike=first.get(each.number)) for each in candidates]


def _why(candidate: Candidate, best: Candidate | None) -> str:
    if candidate.reasoning is None:
        return "no chain"
    if best is None or candidate.number == best.number:
        return KEPT
    if candidate.scored is None:
        return "not judged"
    for (_, said), own, other in zip(_SHARES, candidate.rank, best.rank, strict=True):
        if own < other:
            return said
    return _LATER


def candidate_rows(
    question: Question, candidates: Sequence[Candidate], judge: tuple[str, str], fingerprint: str, run_id: str
) -> list[dict[str, object]]:
    """Return a question's candidates as rows of the store."""
    return [
        {
            "candidate_id": digest("candidate", question.question_id, fingerprint, each.number),
            "question_id": question.question_id,
            "study_id": question.study_id,
            "settings_hash": fingerprint,
            "candidate_no": each.number,
            "repairs": each.repairs,
            "sampling": json.dumps(
                each.sampling | ({} if each.style is None else {"style": each.style}), sort_keys=True
            ),
            **_reasoning_columns(each.reasoning),
            "judge": judge[0],
            "judge_version": judge[1],
            **_score_columns(each.scored),
            "alike": each.alike,
            "kept": each.why == KEPT,
            "why": each.why,
            "reason": None if each.reject is None else str(each.reject.reason),
            "message": None if each.reject is None else each.reject.message,
            "run_id": run_id,
        }
        for each in candidates
    ]


def _reasoning_columns(made: Reasoning | None) -> dict[str, object]:
    if made is None:
        return dict.fromkeys(("plan", "evidence", "steps", "text", "answer"))
    return reasoning_columns(made)


def _score_columns(scored: ScoredReasoning | None) -> dict[str, object]:
    names = ("factuality", "completeness", "effectiveness", "radrscore")
    if scored is None:
        return dict.fromkeys((*names, "n_findings", "n_factual", "objections"))
    factual = [one.factual for one in scored.prediction if one.factual is not None]
    return {
        **{name: getattr(scored.score, name) for name in names},
        "n_findings": len(factual),
        "n_factual": sum(factual),
        "objections": [
            {
                "observation": one.finding.observation,
                "status": one.finding.status,
                "verdict": str(one.verdict),
                "reason": one.reason,
            }
            for one in objections(scored.prediction)
        ],
    }
