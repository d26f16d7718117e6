"""The `llm` engine: plan, evidence and chain from an OpenAI-compatible model (paper, section 2)."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from miner.engines.cache import ReplyCache
from miner.engines.checks import Rejection, check_answer_supported, check_chain, check_evidence, check_plan, same_answer
from miner.engines.grounding import leaves_out_negation, locate
from miner.engines.policy import Attestation
from miner.engines.settings import LLMSettings
from miner.errors import MiningReject, SettingsError
from prompts import ChainReply, EvidenceReply, PlanReply, Prompt, Reply, load
from prompts.render import stage_values
from schemas.call import Call
from schemas.question import Question
from schemas.reasoning import Chain, ChainStep, Evidence, Plan, PlanItem
from schemas.study import Report
from schemas.text import Quote
from schemas.vocabulary import EvidenceKind, Presence, RejectReason, Task


class LLMEngine:
    """Three typed calls a question; each reply is checked medically and sent back with the reason if it fails.

    Every step raises MiningReject for a question that cannot be mined, EngineStopped if no question can, and
    PolicyError before text goes where its licence forbids it. Close it, or use it in a `with`.
    """

    name = "llm"
    version = "1"

    def __init__(
        self,
        settings: LLMSettings,
        cache_folder: Path,
        attestations: Iterable[Attestation] = (),
        on_call: Callable[[Call], None] | None = None,
    ) -> None:
        """Raise SettingsError for a prompt version, base URL or key that cannot be used; nothing is sent yet."""
        from miner.engines.client import Client  # noqa: PLC0415 - openai and instructor take a second to load

        self._settings = settings
        try:
            self._prompts: dict[str, Prompt] = {
                "plan": load("plan", settings.plan_version),
                "evidence": load("evidence", settings.evidence_version),
                "chain": load("chain", settings.chain_version),
            }
        except LookupError as error:
            raise SettingsError(str(error)) from error
        self._cache = ReplyCache(cache_folder)
        try:
            self._client = Client(settings, self._cache, os.environ.get("OPENAI_API_KEY"), attestations, on_call)
        except SettingsError:
            self._cache.close()
            raise

    def settings(self) -> dict[str, object]:
        """Give what can change the output: model, server, options, and the words of prompts and reply schemas."""
        unchanging = {"timeout_s", "max_tries", "max_failures_in_row"}
        asked = self._settings.model_dump(
            mode="json", exclude=unchanging | {f"{name}_version" for name in self._prompts}
        )
        return {
            "engine": self.name,
            "engine_version": self.version,
            **asked,
            "prompts": [
                {"name": prompt.name, "version": str(prompt.version), "hash": prompt.hash}
                for prompt in self._prompts.values()
            ],
            "reply_schemas_hash": _schemas_hash(),
        }

    @property
    def attestations_used(self) -> tuple[str, ...]:
        """The attestations, as JSON, that let text of a credentialed corpus leave this machine so far; for `runs`."""
        return tuple(sorted(self._client.attestations_used))

    def plan(self, question: Question, report: Report) -> Plan:
        """Ask what to look for, one item for every finding of the question."""
        if question.task is Task.TEMPORAL:
            raise MiningReject(
                RejectReason.BAD_VALUE,
                f"question {question.question_id} is temporal, which needs two reports; version {self.version} of the "
                "llm engine answers questions about one",
            )
        values = stage_values("plan", question, report.text)
        reply = self._client.ask(
            self._prompts["plan"],
            values,
            PlanReply,
            lambda reply: _check_plan_reply(reply, question),
            question_id=question.question_id,
            licence=report.licence,
        )
        return _to_plan(reply, question)

    def evidence(self, question: Question, plan: Plan, report: Report) -> tuple[Evidence, ...]:
        """Ask what the report says on each planned finding, and locate every quote in it.

        Evidence that contradicts the question's answer is a reject and not asked again: the model shall not be
        talked into agreeing with a label.
        """
        values = stage_values("evidence", question, report.text, plan=plan.items)
        reply = self._client.ask(
            self._prompts["evidence"],
            values,
            EvidenceReply,
            lambda reply: _check_evidence_reply(reply, plan, report),
            question_id=question.question_id,
            licence=report.licence,
        )
        evidence = _to_evidence(reply, plan, report)
        if contradiction := check_answer_supported(question, evidence):
            raise MiningReject(contradiction.reason, contradiction.message)
        return evidence

    def chain(self, question: Question, plan: Plan, evidence: tuple[Evidence, ...], report: Report) -> Chain:
        """Ask for the reasoning at the image; the report itself is not shown, only plan and evidence."""
        values = stage_values("chain", question, report.text, plan.items, evidence)
        reply = self._client.ask(
            self._prompts["chain"],
            values,
            ChainReply,
            lambda reply: _check_chain_reply(reply, question, evidence),
            question_id=question.question_id,
            licence=report.licence,
        )
        return _to_chain(reply, question)

    def close(self) -> None:
        """Close connections and cache."""
        self._client.close()
        self._cache.close()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close connections and cache."""
        self.close()


def _schemas_hash() -> str:
    types: tuple[type[Reply], ...] = (PlanReply, EvidenceReply, ChainReply)
    schemas = json.dumps([reply.model_json_schema() for reply in types], sort_keys=True)
    return hashlib.sha256(schemas.encode()).hexdigest()


def _to_plan(reply: PlanReply, question: Question) -> Plan:
    """Give the plan with the question's spelling of its findings."""
    spelling = {finding.casefold(): finding for finding in question.findings}
    return Plan(
        items=tuple(
            PlanItem(finding=spelling.get(item.finding.strip().casefold(), item.finding), look_for=item.look_for)
            for item in reply.items
        )
    )


def _to_evidence(reply: EvidenceReply, plan: Plan, report: Report) -> tuple[Evidence, ...]:
    """Give the evidence with quotes located; the reply must have passed its check."""
    spelling = {item.finding.casefold(): item.finding for item in plan.items}
    return tuple(
        Evidence(
            evidence_no=number,
            finding=spelling.get(item.finding.strip().casefold(), item.finding),
            kind=EvidenceKind(item.kind),
            presence=Presence(item.presence),
            statement=item.statement,
            quotes=tuple(quote for words in item.quotes if (quote := _find(words, report))),
        )
        for number, item in enumerate(reply.items, start=1)
    )


def _to_chain(reply: ChainReply, question: Question) -> Chain:
    """Give the chain with the question's spelling of the answer, if it is the same answer."""
    return Chain(
        steps=tuple(
            ChainStep(step_no=number, text=step.text, evidence=step.evidence)
            for number, step in enumerate(reply.steps, start=1)
        ),
        answer=question.answer if same_answer(reply.answer, question) else reply.answer,
    )


def _find(words: str, report: Report) -> Quote | None:
    return locate(words, report.text)


def _check_plan_reply(reply: PlanReply, question: Question) -> Rejection | None:
    if not reply.items or any(not item.finding.strip() or not item.look_for.strip() for item in reply.items):
        return Rejection(
            RejectReason.MODEL_OUTPUT_INVALID, "a plan needs items, each with a finding and with what to look for"
        )
    return check_plan(question, _to_plan(reply, question))


def _check_evidence_reply(reply: EvidenceReply, plan: Plan, report: Report) -> Rejection | None:
    """Check what the schema of `Evidence` would refuse, in words a model can act on; then the medical checks."""
    if not reply.items:
        return Rejection(
            RejectReason.EVIDENCE_INCOMPLETE, "the evidence has no items; answer every finding of the plan"
        )
    for number, item in enumerate(reply.items, start=1):
        if not item.finding.strip() or not item.statement.strip():
            return Rejection(RejectReason.MODEL_OUTPUT_INVALID, f"item {number} has no finding or no statement")
        if item.kind == "quoted" and not item.quotes:
            return Rejection(
                RejectReason.EVIDENCE_INCOMPLETE,
                f"item {number} is quoted but has no quote; copy the deciding words, or make it inferred_normal if "
                "the report is silent",
            )
        if item.kind == "inferred_normal" and (item.quotes or item.presence == "present"):
            return Rejection(
                RejectReason.EVIDENCE_INCOMPLETE,
                f"item {number} is inferred_normal, so its presence must be absent and it can have no quote",
            )
        for quote_number, words in enumerate(item.quotes, start=1):
            quote = _find(words, report)
            if quote is not None and item.presence == "present" and leaves_out_negation(quote, report.text):
                return Rejection(
                    RejectReason.EVIDENCE_INCOMPLETE,
                    f"quote {quote_number} of item {number} leaves out a negation that stands before it in its sentence; "
                    "quote from the negation on, and give the presence that the whole sentence states",
                )
            if quote is None:
                return Rejection(
                    RejectReason.QUOTE_NOT_FOUND,
                    f"quote {quote_number} of item {number} does not occur in the report; copy whole words from the "
                    "report, character by character, as one unbroken piece",
                )
    return check_evidence(plan, _to_evidence(reply, plan, report), report)


def _check_chain_reply(reply: ChainReply, question: Question, evidence: tuple[Evidence, ...]) -> Rejection | None:
    if len(reply.steps) < 2 or any(not step.text.strip() for step in reply.steps) or not reply.answer.strip():
        return Rejection(
            RejectReason.MODEL_OUTPUT_INVALID, "a chain needs at least two steps, each with a text, and an answer"
        )
    return check_chain(question, evidence, _to_chain(reply, question))
