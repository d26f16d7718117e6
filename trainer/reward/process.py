"""The process reward of GRPO: what each reasoning says, against its report and reference, judged batch by batch.

The `rules` judge answers at once; `llm` and `cascade` ask a server, many completions in flight, through the cached
client of `cxr judge`, so that a resumed run pays for nothing twice. Either way a completion that cannot be judged has
no process reward (None) and is counted, and too many of those end the run.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple, TypeVar

from cxr.miner.judge import Judge, open_judge
from cxr.miner.judge.protocol import AskedAhead, AsksAhead
from cxr.miner.kit.console import say
from cxr.miner.kit.errors import BudgetReached, CxrError, EngineStopped, MiningReject, PolicyError, SettingsError
from cxr.miner.kit.parallel import ordered_map
from cxr.miner.llm.books import FileBooks
from cxr.schemas import Finding
from cxr.schemas.vocabulary import Licence
from cxr.trainer.reward.answers import parse_completion
from cxr.trainer.reward.grounded import Given, Reference, held, read_reference
from cxr.trainer.reward.protocol import Completion, LogExtra, LogMetric, ProcessKind, RewardRun
from cxr.trainer.reward.reasoning import Reasoned, measures, reason, reason_by_steps, words_of
from cxr.trainer.reward.rewards import REASONING, rules_judge, text_of
from cxr.trainer.reward.steps import Steps

MOST_FAILED = 0.01
"""The share of completions that may stay unjudged: above it the run stops."""
FLOOR = 100
"""Completions that have to be judged before the share means anything."""

_Answer = TypeVar("_Answer")

# After these no later completion could be judged, or none may be.
_FATAL = (PolicyError, EngineStopped, BudgetReached, SettingsError)


class _Job(NamedTuple):
    """One reasoning to judge against one report and the reference reasoning, where there is one."""

    think: str
    report: str
    reference: str | tuple[Finding, ...] | None
    licence: Licence
    sample_id: str


class ProcessReward:
    """The process reward as TRL calls it; each process of a distributed run has its own, with its own counts.

    It logs, as `rewards/<name>/failed`, the share of completions that could not be judged so far, and what
    completions of each mode say, as `completions/<mode>/<measure>`: see `reasoning.measures`.
    """

    kind: ClassVar[ProcessKind] = "factuality"

    def __init__(self, judge: Judge | None = None, *, by_steps: bool = False) -> None:
        self.__name__ = f"process_{self.kind}"
        self.judge: Judge = judge or rules_judge()
        self.judged = 0
        """Completions that went to the judge so far, failures among them."""
        self.failed: list[str] = []
        """The sample of every completion that could not be judged."""
        self.steps: list[Steps | None] = []
        """The wrong sentences of each completion of the last call, where it was judged by steps and has any."""
        self._reason = reason_by_steps if by_steps else reason

    @classmethod
    @contextmanager
    def opened(cls, run: RewardRun) -> Iterator["ProcessReward"]:
        """Return the reward of the kind and with the judge that the run names.

        Where one licence of the training data is credentialed, the judge's server has to be on this machine or
        attested, and each request is checked again by its own row. Replies are kept in `cxr.replies` in the run's
        folder, which all processes share, and calls in a file for each process, whose part of `max_usd` and
        `max_calls` is an equal one. Raises SettingsError and PolicyError before anything is sent.
        """
        public = bool(run.licences) and set(run.licences) == {Licence.PUBLIC}
        licence = Licence.PUBLIC if public else Licence.CREDENTIALED
        part: dict[str, object] = {}
        if run.judge.max_usd is not None:
            part["max_usd"] = run.judge.max_usd / run.processes
        if run.judge.max_calls is not None:
            part["max_calls"] = max(1, run.judge.max_calls // run.processes)
        run.folder.mkdir(parents=True, exist_ok=True)
        books = FileBooks(run.folder / f"process_reward-{run.process_index}", [licence])
        with open_judge(run.judge.model_copy(update=part), books) as judge:
            kind = GroundedReward if run.process_reward == GroundedReward.kind else cls
            yield kind(judge, by_steps=run.by_steps)

    def record(self) -> dict[str, Any]:
        """Return what run.json says of it: whose judgement it was, and how often there was none."""
        judge = {"name": self.judge.name, "version": self.judge.version}
        second = {"second_judge": self.judge.told()} if isinstance(self.judge, AsksAhead) else {}
        return {"judge": judge, "judged": self.judged, "judge_failures": len(self.failed), **second}

    def __call__(
        self,
        completions: Sequence[Completion],
        *,
        mode: Sequence[str],
        report: Sequence[str | None],
        reference: Sequence[Given | None] | None = None,
        sample_id: Sequence[str] | None = None,
        licence: Sequence[str | None] | None = None,
        log_metric: LogMetric | None = None,
        log_extra: LogExtra | None = None,
        **_: Any,
    ) -> list[float | None]:
        """Return each reasoning's reward; None for answer-only samples and for what the judge failed on.

        None also where a reference holds nothing that its report bears out. Raises SettingsError where a row lacks what
        this kind of reward compares with, CxrError when more than 1 % of at least 100 judged completions failed, and
        what ends every judging: PolicyError, EngineStopped, BudgetReached.
        """
        ids = list(sample_id) if sample_id is not None else [f"row {at} of the batch" for at in range(len(completions))]
        licences = licence if licence is not None else [None] * len(completions)
        references = reference if reference is not None else [None] * len(completions)
        values: list[float | None] = [None] * len(completions)
        jobs: dict[int, _Job] = {}
        for at, completion in enumerate(completions):
            text = report[at]
            if mode[at] != REASONING or not text:
                continue
            think, _answer = parse_completion(text_of(completion), reasoning=True)
            self._demand(references[at])
            values[at] = 0.0
            if think:
                jobs[at] = _Job(
                    think, text, held(references[at]), Licence(licences[at] or Licence.CREDENTIALED), ids[at]
                )
        found = dict(zip(jobs, self._judge(list(jobs.values())), strict=True))
        for at, result in found.items():
            values[at] = None if result is None else result.value
        self.steps = [_placed(text_of(text), jobs, found, at) for at, text in enumerate(completions)]
        if log_metric is not None:
            if self.judged:
                log_metric(f"rewards/{self.__name__}/failed", len(self.failed) / self.judged)
            told = [
                found[at] if at in found else None if value is None else Reasoned.nothing(compared=bool(references[at]))
                for at, value in enumerate(values)
            ]
            for name, value in measures(mode, [words_of(completion) for completion in completions], told):
                log_metric(name, value)
        if log_extra is not None:
            log_extra("factual", [_tally(found.get(at)) for at in range(len(completions))])
            log_extra("unsupported", [_unsupported(found.get(at)) for at in range(len(completions))])
        self._stop_if_failing()
        return values

    def _demand(self, reference: Given | None) -> None:
        """Raise SettingsError where a row lacks what this kind of reward compares with."""

    def _judge(self, jobs: Sequence[_Job]) -> list[Reasoned | None]:
        """Judge every distinct reasoning once: completions of one group are often the same words."""
        distinct = {job[:4]: job for job in reversed(jobs)}
        read = self._references(jobs)
        asked = [(job, read.get(job[1:4])) for job in distinct.values()]
        if isinstance(self.judge, AsksAhead):
            self.judge.ahead(_by_report(distinct.values()))
        results = ordered_map(self._judge_one, asked, self.judge.workers)
        by_words = dict(zip(distinct, results, strict=True))
        self.judged += len(jobs)
        given = [by_words[job[:4]] for job in jobs]
        self.failed += [job.sample_id for job, result in zip(jobs, given, strict=True) if result is None]
        return given

    def _references(self, jobs: Sequence[_Job]) -> dict[tuple[object, ...], Reference | None]:
        """Read each distinct reference once: all completions of a group are compared with the same."""
        if not self._compares():
            return {}
        distinct = {job[1:4]: job for job in reversed(jobs) if job.reference is not None}
        return dict(zip(distinct, ordered_map(self._read_one, distinct.values(), self.judge.workers), strict=True))

    def _compares(self) -> bool:
        """Return whether references are read: where they are not rewarded, only if the judge asks nobody else."""
        return self.judge.workers == 1

    def _read_one(self, job: _Job) -> Reference | None:
        judge = self.judge.bound(job.sample_id, job.licence)
        return self._unless_it_fails(job, lambda: read_reference(job.reference or "", job.report, judge))

    def _judge_one(self, asked: tuple[_Job, Reference | None]) -> Reasoned | None:
        job, reference = asked
        if self.kind == GroundedReward.kind and reference is None:
            return None
        judge = self.judge.bound(job.sample_id, job.licence)
        return self._unless_it_fails(job, lambda: self._reason(job.think, job.report, judge, reference, self.kind))

    def _unless_it_fails(self, job: _Job, ask: Callable[[], _Answer]) -> _Answer | None:
        try:
            return ask()
        except _FATAL:
            raise
        except MiningReject as reject:
            say(f"{job.sample_id}: not judged ({reject.reason}); the completion has no process reward")
        except Exception as error:  # noqa: BLE001 - days of training must not end for one odd completion
            say(f"{job.sample_id}: not judged ({type(error).__name__}); the completion has no process reward")
        return None

    def _stop_if_failing(self) -> None:
        if self.judged >= FLOOR and len(self.failed) > MOST_FAILED * self.judged:
            some = ", ".join(list(dict.fromkeys(self.failed))[:5])
            raise CxrError(
                f"the {self.judge.name} judge failed on {len(self.failed)} of {self.judged} completions, more than "
                f"{MOST_FAILED:.0%}; the last checkpoint can be resumed once the judge is well; look at {some}"
            )


class GroundedReward(ProcessReward):
    """The process reward that compares with the reference reasoning as well: see `grounded`."""

    kind: ClassVar[ProcessKind] = "grounded"

    def _compares(self) -> bool:
        return True

    def _demand(self, reference: Given | None) -> None:
        if reference is None or not len(reference):
            raise SettingsError(
                "the rows hold no `reference` (an export of an earlier version has none), which the grounded process "
                "reward compares with; export again, or take process_reward=factuality"
            )


def _by_report(jobs: Iterable[_Job]) -> list[AskedAhead]:
    """Return the reasonings of each report together: a group of completions is of one."""
    groups: dict[tuple[str, Licence], list[_Job]] = {}
    for job in jobs:
        groups.setdefault((job.report, job.licence), []).append(job)
    return [
        AskedAhead(report, tuple(job.think for job in group), group[0].sample_id, licence)
        for (report, licence), group in groups.items()
    ]


def _placed(completion: str, jobs: Mapping[int, _Job], found: Mapping[int, Reasoned | None], at: int) -> Steps | None:
    """Return the wrong sentences of a completion where they stand in it, not in its reasoning alone."""
    judged = found.get(at)
    if judged is None or judged.steps is None:
        return None
    return judged.steps.moved(completion.index(jobs[at].think, completion.index("<think>") + len("<think>")))


def _tally(judged: Reasoned | None) -> str | None:
    if judged is None:
        return None
    counted = [item.factual for item in judged.findings if item.factual is not None]
    return f"{sum(counted)} of {len(counted)}"


def _unsupported(judged: Reasoned | None) -> str | None:
    """Name what the report does not support, in the completion's own words."""
    if judged is None:
        return None
    return "; ".join(
        f"{item.finding.observation}: {item.finding.status} ({item.verdict})"
        for item in judged.findings
        if item.factual is False
    )
