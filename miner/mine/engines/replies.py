"""From what a model replied to plan, evidence and chain, and what to tell it where that cannot be done."""

from functools import partial

from cxr.miner.language.grounding import locate
from cxr.miner.mine.assertion import contradiction
from cxr.miner.mine.checks import check_answer_supported, check_chain, check_evidence, check_plan, same_answer
from cxr.miner.mine.engines.change import check_answer_of_change, check_progressions
from cxr.prompts.replies import (
    ChainReply,
    EvidenceItemReply,
    EvidenceReply,
    PlanReply,
    TemporalEvidenceReply,
    WholeReply,
)
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, ChainStep, Evidence, Plan, PlanItem
from cxr.schemas.rejection import Rejection
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import EvidenceKind, Presence, RejectReason

_invalid = partial(Rejection, RejectReason.MODEL_OUTPUT_INVALID)
_incomplete = partial(Rejection, RejectReason.EVIDENCE_INCOMPLETE)
_unfounded = partial(Rejection, RejectReason.QUOTE_NOT_FOUND)


def to_plan(reply: PlanReply, question: Question) -> Plan:
    """Return the plan with the question's spelling of its findings."""
    spelling = {finding.casefold(): finding for finding in question.findings}
    return Plan(
        items=tuple(
            PlanItem(finding=spelling.get(_fold(item.finding), item.finding), look_for=item.look_for)
            for item in reply.items
        )
    )


def to_evidence(reply: EvidenceReply, plan: Plan, report: Report) -> tuple[Evidence, ...]:
    """Return the evidence with quotes located; the reply must have passed its check."""
    spelling = {item.finding.casefold(): item.finding for item in plan.items}
    return tuple(
        Evidence(
            evidence_no=number,
            finding=spelling.get(_fold(item.finding), item.finding),
            kind=EvidenceKind(item.kind),
            presence=Presence(item.presence),
            statement=item.statement,
            quotes=tuple(quote for words in item.quotes if (quote := locate(words, report.text))),
        )
        for number, item in enumerate(reply.items, start=1)
    )


def to_chain(reply: ChainReply, question: Question) -> Chain:
    """Return the chain with the question's spelling of the answer, if it is the same answer."""
    return Chain(
        steps=tuple(
            ChainStep(step_no=number, text=step.text, evidence=step.evidence)
            for number, step in enumerate(reply.steps, start=1)
        ),
        answer=question.answer if same_answer(reply.answer, question) else reply.answer,
    )


def check_plan_reply(reply: PlanReply, question: Question) -> Rejection | None:
    """Check that a plan is one, then that it fits the question."""
    if not reply.items or any(not item.finding.strip() or not item.look_for.strip() for item in reply.items):
        return _invalid("a plan needs items, each with a finding and with what to look for")
    return check_plan(question, to_plan(reply, question))


def check_evidence_reply(reply: EvidenceReply, plan: Plan, report: Report) -> Rejection | None:
    """Check what the schema of `Evidence` would refuse, in words a model can act on; then the medical checks."""
    if not reply.items:
        return _incomplete("the evidence has no items; answer every finding of the plan")
    planned = {_fold(item.finding): item.finding for item in plan.items}
    for number, item in enumerate(reply.items, start=1):
        # By the plan's name: a model that is asked again does not see what it replied, and its words may be a report's.
        known = planned.get(_fold(item.finding))
        place = f"item {number}" + (f" ({known})" if known else "")
        if rejection := _check_kind(item, place) or _check_quotes(item, place, report):
            return rejection
    compared = isinstance(reply, TemporalEvidenceReply)
    if rejection := check_evidence(plan, to_evidence(reply, plan, report), report, compared=compared):
        return rejection
    return check_progressions(reply, report) if isinstance(reply, TemporalEvidenceReply) else None


def check_answer_reply(reply: EvidenceReply, question: Question, evidence: tuple[Evidence, ...]) -> Rejection | None:
    """Check that evidence leads to the question's answer; of a temporal question that is a change."""
    if isinstance(reply, TemporalEvidenceReply):
        return check_answer_of_change(question, reply)
    return check_answer_supported(question, evidence)


def _check_kind(item: EvidenceItemReply, place: str) -> Rejection | None:
    if not item.finding.strip() or not item.statement.strip():
        return _invalid(f"{place} has no finding or no statement")
    if item.kind == "quoted" and not item.quotes:
        return _incomplete(
            f"{place} is quoted but has no quote; copy the deciding words, or make it inferred_normal if the "
            "report is silent"
        )
    if item.kind == "inferred_normal" and (item.quotes or item.presence == "present"):
        return _incomplete(f"{place} is inferred_normal, so its presence must be absent and it can have no quote")
    return None


def _check_quotes(item: EvidenceItemReply, place: str, report: Report) -> Rejection | None:
    for quote_number, words in enumerate(item.quotes, start=1):
        quote = locate(words, report.text)
        if quote is None and report.prior is not None and locate(words, report.prior):
            return _unfounded(
                f"quote {quote_number} of {place} is from the prior report; quote the current report only"
            )
        if quote is None:
            return _unfounded(
                f"quote {quote_number} of {place} does not occur in the report; copy whole words from it, "
                "character by character, as one unbroken piece"
            )
        if what := contradiction(quote, item.finding, Presence(item.presence), report.text):
            return _incomplete(
                f"quote {quote_number} of {place} {what}, and give the presence that the whole sentence states"
            )
    return None


def _fold(name: str) -> str:
    return name.strip().casefold()


def check_chain_reply(reply: ChainReply, question: Question, evidence: tuple[Evidence, ...]) -> Rejection | None:
    """Check that a chain is one, then the medical checks."""
    if len(reply.steps) < 2 or any(not step.text.strip() for step in reply.steps) or not reply.answer.strip():
        return _invalid("a chain needs at least two steps, each with a text, and an answer")
    return check_chain(question, evidence, to_chain(reply, question))


def check_whole_reply(reply: WholeReply, question: Question, report: Report) -> Rejection | None:
    """Check plan, evidence and chain of one reply, in this order.

    A chain over evidence that contradicts the answer is not checked: the caller rejects the question, and the model
    is not talked into agreeing with a label.
    """
    if rejection := check_plan_reply(reply.plan, question):
        return rejection
    plan = to_plan(reply.plan, question)
    if rejection := check_evidence_reply(reply.evidence, plan, report):
        return rejection
    evidence = to_evidence(reply.evidence, plan, report)
    if check_answer_reply(reply.evidence, question, evidence):
        return None
    return check_chain_reply(reply.chain, question, evidence)
