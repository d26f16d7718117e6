"""The `llm` engine: plan, evidence and chain from an OpenAI-compatible model (paper, section 2)."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.kit.errors import MiningReject, SettingsError
from cxr.miner.language.version import VERSION_LENGTH, reader_version
from cxr.miner.llm.guided import keywords_taken
from cxr.miner.mine.blind import blinded
from cxr.miner.mine.engines import Reasoning
from cxr.miner.mine.engines.repair import repair_values
from cxr.miner.mine.engines.replies import (
    check_answer_reply,
    check_chain_reply,
    check_evidence_reply,
    check_plan_reply,
    check_whole_reply,
    to_chain,
    to_evidence,
    to_plan,
)
from cxr.miner.mine.settings import MineSettings
from cxr.miner.mine.understood import check_understood
from cxr.miner.pack import pack
from cxr.prompts import Prompt, available, load
from cxr.prompts.guide import WHOLE, Guide, guide_for
from cxr.prompts.render import TEMPORAL
from cxr.prompts.replies import (
    REPLY_TYPES,
    ChainReply,
    EvidenceReply,
    PlanReply,
    Reply,
    TemporalEvidenceReply,
    TemporalWholeReply,
    WholeReply,
)
from cxr.prompts.styles import Style, drawn, load_styles
from cxr.schemas import JudgedFinding
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, Evidence, Plan
from cxr.schemas.rejection import Rejection
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import Task

if TYPE_CHECKING:
    from cxr.miner.llm.client import Client

R = TypeVar("R", bound=Reply)
# Checks decide which replies are taken; some of them ask our own reader.
_CODE = (
    *(f"cxr.miner.mine.engines.{name}" for name in ("llm", "change", "repair", "replies", "temporal")),
    *(
        f"cxr.miner.mine.{name}"
        for name in ("blind", "checks", "assertion", "details", "relevance", "talk", "understood", "unquoted", "words")
    ),
)


class LLMEngine:
    """Typed calls for each question; each reply is checked medically and sent back with the reason if it fails.

    Every step raises MiningReject for a question that cannot be mined, EngineStopped if no question can, BudgetReached
    if no call may be made, and PolicyError before text goes where its licence forbids it.

    Temporal questions have prompts of their own, which show the report of the reference image beside the current one
    as a second block of data. Their evidence quotes the current report only, because the offsets of an `Evidence`
    point into its question's own report; the prior report is context. Without one, the current report alone is read.
    """

    name = "llm"

    def __init__(self, settings: MineSettings, client: "Client | None" = None) -> None:
        """Raise SettingsError without a model, and for a prompt version that does not exist.

        Without a client it can tell its settings.
        """
        self.model = settings.named_model
        self._settings = settings
        self._client = client
        steps = ("whole",) if settings.calls == 1 else ("plan", "evidence", "chain")
        of = pack().prompts
        try:
            self.prompts = {name: load(name, getattr(settings, f"{name}_version"), of) for name in steps}
        except LookupError as error:
            raise SettingsError(str(error)) from error
        self.temporal_prompts = {name: _twin(prompt, of) for name, prompt in self.prompts.items()}
        voiced = any("style" in prompt.shows for prompt in self.prompts.values())
        self._styles = _styles(settings.styles, of) if voiced else ()
        self.repair_prompt = load("repair", of=of)
        self._sampling: dict[str, object] = {}

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that stand for the code of the engine, its checks, and the reader behind them."""
        return engine_version()

    def settings(self) -> dict[str, object]:
        """Return what can change the output: model, options, and the words of prompts and reply schemas."""
        return {
            "engine": self.name,
            "engine_version": self.version,
            **self._settings.of_the_output(),
            "prompts": [prompt.named for prompt in self.prompts.values()],
            "temporal_prompts": [prompt.named for prompt in self.temporal_prompts.values()],
            "voices": [style.named for style in self._styles],
            "reply_schemas_hash": self._schemas_hash,
            **({"repair_prompt": self.repair_prompt.named} if self._settings.repair else {}),
        }

    def style_of(self, question: Question) -> Style | None:
        """Return the voice of a question's chain; None where the prompts have no place for one.

        With another seed it is another one: candidates of one question take turns.
        """
        if not self._styles:
            return None
        seed = self._settings.sampling_seed or 0
        first = drawn(question.question_id, seed, range(len(self._styles)))
        return self._styles[(first + int(str(self._sampling.get("seed", seed))) - seed) % len(self._styles)]

    @cached_property
    def _schemas_hash(self) -> str:
        types = dict.fromkeys(REPLY_TYPES[f"{step}{end}"] for step in self.prompts for end in ("", TEMPORAL))
        schemas = json.dumps([reply.model_json_schema() for reply in types], sort_keys=True)
        return hashlib.sha256(schemas.encode()).hexdigest()

    @property
    def attestations_used(self) -> tuple[str, ...]:
        """The attestations, as JSON, that let text of a credentialed corpus leave this machine so far; for `runs`."""
        return () if self._client is None else tuple(sorted(self._client.wire.attestations_used))

    def sampled(self, sampling: Mapping[str, object]) -> "LLMEngine":
        """Return the engine as it would ask with other sampling options, such as another seed."""
        other = copy(self)
        other._sampling = dict(sampling)
        return other

    async def reason(self, question: Question, report: Report) -> Reasoning:
        """Return plan, evidence and chain, in one call or three."""
        if self._settings.calls == 1:
            return await self._whole(question, report)
        plan = await self.plan(question, report)
        evidence = await self.evidence(question, plan, report)
        return Reasoning(plan, evidence, await self.chain(question, plan, evidence, report))

    async def plan(self, question: Question, report: Report) -> Plan:
        """Ask what to look for, one item for every finding of the question."""
        reply = await self._ask("plan", PlanReply, lambda reply: check_plan_reply(reply, question), question, report)
        return to_plan(reply, question)

    async def evidence(self, question: Question, plan: Plan, report: Report) -> tuple[Evidence, ...]:
        """Ask what the report says on each planned finding, and locate every quote in it.

        Evidence that contradicts the question's answer is a reject and not asked again: the model shall not be
        talked into agreeing with a label.
        """
        form = TemporalEvidenceReply if question.task is Task.TEMPORAL else EvidenceReply
        reply = await self._ask(
            "evidence", form, lambda reply: check_evidence_reply(reply, plan, report), question, report, plan
        )
        return _supported(reply, question, plan, report)

    async def chain(self, question: Question, plan: Plan, evidence: tuple[Evidence, ...], report: Report) -> Chain:
        """Ask for the reasoning at the image; no report is shown, only plan and evidence."""

        def check(reply: ChainReply) -> Rejection | None:
            return check_chain_reply(reply, question, evidence)

        return to_chain(await self._ask("chain", ChainReply, check, question, report, plan, evidence), question)

    async def repaired(
        self,
        question: Question,
        plan: Plan,
        evidence: tuple[Evidence, ...],
        chain: Chain,
        against: Sequence[JudgedFinding],
        report: Report,
    ) -> Chain:
        """Ask once for the chain without the claims that were found not to be borne out; no report is shown."""
        assert self._client is not None, "an engine that shall be asked needs a client"  # noqa: S101
        reply = await self._client.ask(
            self.repair_prompt,
            repair_values(question, plan, evidence, chain, against),
            ChainReply,
            lambda reply: check_chain_reply(reply, question, evidence),
            question_id=question.question_id,
            licence=report.licence,
            guide=self._guide("chain", question, len(evidence)),
        )
        return to_chain(reply, question)

    async def _whole(self, question: Question, report: Report) -> Reasoning:
        form = TemporalWholeReply if question.task is Task.TEMPORAL else WholeReply
        reply = await self._ask(
            "whole", form, lambda reply: check_whole_reply(reply, question, report), question, report
        )
        plan = to_plan(reply.plan, question)
        return Reasoning(plan, _supported(reply.evidence, question, plan, report), to_chain(reply.chain, question))

    async def _ask(
        self,
        step: str,
        reply_type: type[R],
        check: Callable[[R], Rejection | None],
        question: Question,
        report: Report,
        plan: Plan | None = None,
        evidence: tuple[Evidence, ...] = (),
    ) -> R:
        assert self._client is not None, "an engine that shall be asked needs a client"  # noqa: S101
        prompt = (self.temporal_prompts if question.task is Task.TEMPORAL else self.prompts)[step]
        planned = () if plan is None else plan.items
        shown = blinded(question, report) if step == "plan" and self._settings.blind_plan else report
        return await self._client.ask(
            prompt,
            prompt.values(question, shown.text, planned, evidence, shown.prior, self.style_of(question)),
            reply_type,
            check,
            question_id=question.question_id,
            licence=report.licence,
            guide=self._guide(prompt.name, question, len(evidence) or None),
            sampling=self._sampling,
        )

    def _guide(self, name: str, question: Question, observations: int | None) -> Guide | None:
        """Return what the question allows in a reply; None where replies are not guided.

        A server elsewhere keeps and compiles every schema that it is sent. The names of our labels may stand there;
        findings in the words of a report stay in the message, which is what an attestation speaks of.
        """
        if not self._settings.guide:
            return None
        here = keywords_taken(self._settings) == WHOLE
        return guide_for(
            name,
            question,
            observations,
            named=here or all(pack().label_called(finding) is not None for finding in question.findings),
        )


def _twin(prompt: Prompt, of: Path | None) -> Prompt:
    """Return the prompt for temporal questions of the same version, the newest where it has none of that."""
    name = f"{prompt.name}{TEMPORAL}"
    return load(name, prompt.version if prompt.version in available(of)[name] else None, of)


def _styles(names: tuple[str, ...] | None, of: Path | None) -> tuple[Style, ...]:
    """Return the styles to draw from, all where none are named; raises SettingsError for one that does not exist."""
    every = load_styles(of)
    if unknown := sorted(set(names or ()) - every.keys()):
        raise SettingsError(f"styles: there is no style {unknown[0]!r}; there are {', '.join(every)}")
    return tuple(every[name] for name in names or every)


def engine_version() -> str:
    """Return the version of the engine, whatever model it asks."""
    return digest("llm engine", reader_version(), code_digest(*_CODE), length=VERSION_LENGTH)


def _supported(reply: EvidenceReply, question: Question, plan: Plan, report: Report) -> tuple[Evidence, ...]:
    """Return the evidence of a reply; raises MiningReject where it contradicts the answer, or silence says nothing."""
    evidence = to_evidence(reply, plan, report)
    if rejection := check_answer_reply(reply, question, evidence) or check_understood(evidence, report):
        raise MiningReject(*rejection)
    return evidence
