"""The `llm` engine: plan, evidence and chain from an OpenAI-compatible model (paper, section 2)."""

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from miner.engines import Reasoning
from miner.engines.checks import Rejection, check_answer_supported
from miner.engines.replies import (
    check_chain_reply,
    check_evidence_reply,
    check_plan_reply,
    check_whole_reply,
    to_chain,
    to_evidence,
    to_plan,
)
from miner.engines.settings import LLMSettings
from miner.errors import MiningReject, SettingsError
from prompts import ChainReply, EvidenceReply, PlanReply, Prompt, Reply, WholeReply, load
from prompts.render import stage_values
from schemas.question import Question
from schemas.reasoning import Chain, Evidence, Plan
from schemas.study import Report
from schemas.vocabulary import RejectReason, Task

if TYPE_CHECKING:
    from miner.engines.client import Client

R = TypeVar("R", bound=Reply)
VERSION = "2"


class LLMEngine:
    """Typed calls for each question; each reply is checked medically and sent back with the reason if it fails.

    Every step raises MiningReject for a question that cannot be mined, EngineStopped if no question can, BudgetReached
    if no call may be made, and PolicyError before text goes where its licence forbids it.
    """

    name = "llm"
    version = VERSION

    def __init__(self, settings: LLMSettings, client: "Client | None" = None) -> None:
        """Raise SettingsError for a prompt version that does not exist. Without a client it can tell its settings."""
        self._settings = settings
        self._client = client
        versions = {
            "plan": settings.plan_version,
            "evidence": settings.evidence_version,
            "chain": settings.chain_version,
        }
        if settings.calls == 1:
            versions = {"whole": settings.whole_version}
        try:
            self.prompts: dict[str, Prompt] = {name: load(name, version) for name, version in versions.items()}
        except LookupError as error:
            raise SettingsError(str(error)) from error

    def settings(self) -> dict[str, object]:
        """Give what can change the output: model, options, and the words of prompts and reply schemas."""
        return {
            "engine": self.name,
            "engine_version": self.version,
            **self._settings.of_the_output(),
            "prompts": [
                {"name": prompt.name, "version": str(prompt.version), "hash": prompt.hash}
                for prompt in self.prompts.values()
            ],
            "reply_schemas_hash": self._schemas_hash,
        }

    @cached_property
    def _schemas_hash(self) -> str:
        types: tuple[type[Reply], ...] = (
            (WholeReply,) if self._settings.calls == 1 else (PlanReply, EvidenceReply, ChainReply)
        )
        schemas = json.dumps([reply.model_json_schema() for reply in types], sort_keys=True)
        return hashlib.sha256(schemas.encode()).hexdigest()

    @property
    def attestations_used(self) -> tuple[str, ...]:
        """The attestations, as JSON, that let text of a credentialed corpus leave this machine so far; for `runs`."""
        return () if self._client is None else tuple(sorted(self._client.wire.attestations_used))

    async def reason(self, question: Question, report: Report) -> Reasoning:
        """Give plan, evidence and chain, in one call or three."""
        if question.task is Task.TEMPORAL:
            raise MiningReject(
                RejectReason.BAD_VALUE,
                f"question {question.question_id} is temporal, which needs two reports; version {self.version} of the "
                "llm engine answers questions about one",
            )
        if self._settings.calls == 1:
            return await self._whole(question, report)
        plan = await self.plan(question, report)
        evidence = await self.evidence(question, plan, report)
        return Reasoning(plan, evidence, await self.chain(question, plan, evidence, report))

    async def plan(self, question: Question, report: Report) -> Plan:
        """Ask what to look for, one item for every finding of the question."""
        values = stage_values("plan", question, report.text)
        reply = await self._ask(
            "plan", values, PlanReply, lambda reply: check_plan_reply(reply, question), question, report
        )
        return to_plan(reply, question)

    async def evidence(self, question: Question, plan: Plan, report: Report) -> tuple[Evidence, ...]:
        """Ask what the report says on each planned finding, and locate every quote in it.

        Evidence that contradicts the question's answer is a reject and not asked again: the model shall not be
        talked into agreeing with a label.
        """
        values = stage_values("evidence", question, report.text, plan=plan.items)
        reply = await self._ask(
            "evidence", values, EvidenceReply, lambda reply: check_evidence_reply(reply, plan, report), question, report
        )
        return _supported(question, to_evidence(reply, plan, report))

    async def chain(self, question: Question, plan: Plan, evidence: tuple[Evidence, ...], report: Report) -> Chain:
        """Ask for the reasoning at the image; the report itself is not shown, only plan and evidence."""
        values = stage_values("chain", question, report.text, plan.items, evidence)
        reply = await self._ask(
            "chain", values, ChainReply, lambda reply: check_chain_reply(reply, question, evidence), question, report
        )
        return to_chain(reply, question)

    async def _whole(self, question: Question, report: Report) -> Reasoning:
        values = stage_values("whole", question, report.text)
        reply = await self._ask(
            "whole", values, WholeReply, lambda reply: check_whole_reply(reply, question, report), question, report
        )
        plan = to_plan(reply.plan, question)
        evidence = _supported(question, to_evidence(reply.evidence, plan, report))
        return Reasoning(plan, evidence, to_chain(reply.chain, question))

    async def _ask(
        self,
        step: str,
        values: dict[str, str],
        reply_type: type[R],
        check: Callable[[R], Rejection | None],
        question: Question,
        report: Report,
    ) -> R:
        assert self._client is not None, "an engine that shall be asked needs a client"  # noqa: S101
        return await self._client.ask(
            self.prompts[step],
            values,
            reply_type,
            check,
            question_id=question.question_id,
            licence=report.licence,
        )


def _supported(question: Question, evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Give the evidence back; raises MiningReject where it contradicts the answer."""
    if contradiction := check_answer_supported(question, evidence):
        raise MiningReject(contradiction.reason, contradiction.message)
    return evidence
