"""The `llm` engine: plan, evidence and chain from an OpenAI-compatible model (paper, section 2)."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from miner.engines.cache import ReplyCache
from miner.engines.checks import check_answer_supported
from miner.engines.policy import Attestation
from miner.engines.replies import (
    check_chain_reply,
    check_evidence_reply,
    check_plan_reply,
    to_chain,
    to_evidence,
    to_plan,
)
from miner.engines.settings import LLMSettings
from miner.errors import MiningReject, SettingsError
from prompts import ChainReply, EvidenceReply, PlanReply, Prompt, Reply, load
from prompts.render import stage_values
from schemas.call import Call
from schemas.question import Question
from schemas.reasoning import Chain, Evidence, Plan
from schemas.study import Report
from schemas.vocabulary import RejectReason, Task


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
            lambda reply: check_plan_reply(reply, question),
            question_id=question.question_id,
            licence=report.licence,
        )
        return to_plan(reply, question)

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
            lambda reply: check_evidence_reply(reply, plan, report),
            question_id=question.question_id,
            licence=report.licence,
        )
        evidence = to_evidence(reply, plan, report)
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
            lambda reply: check_chain_reply(reply, question, evidence),
            question_id=question.question_id,
            licence=report.licence,
        )
        return to_chain(reply, question)

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
