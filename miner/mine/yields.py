"""What mining with a server yields: how many questions give a factual chain, and what one of these costs."""

from typing import NamedTuple

from cxr.miner.kit.sql import read_sql
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.mine")


class JobYield(NamedTuple):
    """What one job gave and cost."""

    model: str
    calls: int
    questions: int
    chains: int
    scored: int
    factual: int
    usd: float | None
    unknown: int
    """Calls of unknown cost."""

    @property
    def expected(self) -> float | None:
        """Factual chains; where only some are scored, as many of the others as of these. None where none is."""
        return None if not self.scored else self.chains * self.factual / self.scored

    @property
    def share(self) -> float | None:
        """How many questions gave a factual chain, as a share."""
        return None if self.expected is None else self.expected / self.questions

    @property
    def usd_each(self) -> float | None:
        """What a factual chain cost; None where nothing is known, or there is none."""
        return None if not self.expected or self.usd is None else self.usd / self.expected


def job_yields(store: Store) -> list[JobYield]:
    """Return what every job that asked a server gave and cost, oldest first."""
    return [JobYield(*row) for row in store.rows(_SQL["yields"])]


def cost_notes(store: Store) -> list[str]:
    """Return for each job with a factual chain what one of them cost, a sentence each."""
    return [
        f"of {job.questions:,} questions mined by {job.model}, {job.calls} calls each, "
        f"{job.expected:,.0f} gave a factual chain ({job.share:.1%}): a factual chain cost ${job.usd_each:.4f}"
        f"{f', without {job.unknown:,} calls of unknown cost' if job.unknown else ''}"
        for job in job_yields(store)
        if job.usd_each is not None and job.expected is not None and job.share is not None
    ]


def share_of_model(store: Store, model: str, calls: int) -> tuple[float, str] | None:
    """Return the share of questions that gave a factual chain by a model, and the sentence that says of how many.

    Jobs with as many calls count where there are some, else all of this model. None where nothing was scored.
    """
    known = [job for job in job_yields(store) if job.model == model and job.expected is not None]
    jobs = [job for job in known if job.calls == calls] or known
    questions = sum(job.questions for job in jobs)
    if not questions:
        return None
    factual = sum(job.expected or 0.0 for job in jobs)
    share = factual / questions
    return share, f"of {questions:,} questions mined, {factual:,.0f} gave a factual chain ({share:.1%})"
