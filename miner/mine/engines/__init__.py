"""Engines turn a question and its report into plan, evidence and chain; `rules` and `llm` share the three steps."""

from typing import NamedTuple, Protocol

from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, Evidence, Plan
from cxr.schemas.study import Report


class Engine(Protocol):
    """Three steps, each a function of the ones before; a step that cannot be done raises `MiningReject`."""

    name: str
    version: str

    def settings(self) -> dict[str, object]:
        """Everything that can change the output: it is hashed into the chain ids and kept in `runs`."""
        ...

    @property
    def attestations_used(self) -> tuple[str, ...]:
        """What has allowed credentialed text to leave this machine so far, as JSON; empty if none did."""
        ...

    def plan(self, question: Question, report: Report) -> Plan:
        """Give what to look for, with one item for every finding of the question."""
        ...

    def evidence(self, question: Question, plan: Plan, report: Report) -> tuple[Evidence, ...]:
        """Give at least one piece of evidence for every planned finding, quoting the report where it speaks."""
        ...

    def chain(self, question: Question, plan: Plan, evidence: tuple[Evidence, ...], report: Report) -> Chain:
        """Give the reasoning that leads from the evidence to the question's answer."""
        ...


class Reasoning(NamedTuple):
    """What an engine makes of one question."""

    plan: Plan
    evidence: tuple[Evidence, ...]
    chain: Chain


class AsyncEngine(Protocol):
    """An engine that waits for somebody else, so that many questions are in its hands at once."""

    name: str
    version: str

    def settings(self) -> dict[str, object]:
        """Everything that can change the output, as `Engine.settings`."""
        ...

    @property
    def attestations_used(self) -> tuple[str, ...]:
        """As `Engine.attestations_used`."""
        ...

    async def reason(self, question: Question, report: Report) -> Reasoning:
        """Give plan, evidence and chain; raises MiningReject for a question that cannot be mined."""
        ...
