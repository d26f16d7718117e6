"""Temporal questions of the `llm` engine: the checks on what a model says has changed since the reference image.

The model sees both reports. Quotes are from the current one: an `Evidence` has offsets into its question's own report
and no place for those of another, so the prior report is context that is compared with and never quoted. Where the
store has no prior report, the current one alone tells, as for the rules engine.
"""

from cxr.miner.language.grounding import locate
from cxr.miner.language.labeler import label_evidence
from cxr.miner.mine.engines.replies import (
    check_chain_reply,
    check_evidence_reply,
    check_plan_reply,
    to_evidence,
    to_plan,
)
from cxr.miner.mine.engines.temporal import progression_of, progression_said
from cxr.miner.pack import pack
from cxr.prompts import TemporalEvidenceReply, TemporalWholeReply
from cxr.prompts.replies import ChangeItemReply
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Plan
from cxr.schemas.rejection import Rejection
from cxr.schemas.study import Report
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import Progression, RejectReason

_NOT_STATED = "not_stated"


def check_change_reply(reply: TemporalEvidenceReply, plan: Plan, report: Report) -> Rejection | None:
    """Check evidence of change as any evidence, then that each progression fits its presence and its quotes."""
    if rejection := check_evidence_reply(reply, plan, report):
        return rejection
    for number, item in enumerate(reply.items, start=1):
        if what := _misfit(item, report):
            return Rejection(RejectReason.EVIDENCE_INCOMPLETE, f"item {number} {what}")
    return None


def check_answer_of_change(question: Question, reply: TemporalEvidenceReply) -> Rejection | None:
    """Check that the stated changes lead to the question's answer.

    A stable part beside a worsening one is worse in all; opposite changes have no sure answer, and a stable finding
    has no part that changed. Changes that nobody states are none.
    """
    finding, wanted = question.findings[0], progression_of(question)
    stated = {Progression(item.progression) for item in reply.items if item.progression != _NOT_STATED}
    if not stated:
        return Rejection(
            RejectReason.EVIDENCE_INCOMPLETE, f"the evidence states no change of {finding} since the prior study"
        )
    if wanted not in stated or stated - {wanted, Progression.STABLE}:
        said = ", ".join(sorted(stated))
        return Rejection(
            RejectReason.EVIDENCE_CONTRADICTS_ANSWER,
            f"the answer says that {finding} is {wanted}, the evidence says {said}",
        )
    return None


def check_temporal_whole_reply(reply: TemporalWholeReply, question: Question, report: Report) -> Rejection | None:
    """Check plan, evidence of change and chain of one reply, in this order.

    As `check_whole_reply`: a chain over evidence that contradicts the answer is left to the caller, who rejects the
    question without asking again.
    """
    if rejection := check_plan_reply(reply.plan, question):
        return rejection
    plan = to_plan(reply.plan, question)
    if rejection := check_change_reply(reply.evidence, plan, report):
        return rejection
    if check_answer_of_change(question, reply.evidence):
        return None
    return check_chain_reply(reply.chain, question, to_evidence(reply.evidence, plan, report))


def _misfit(item: ChangeItemReply, report: Report) -> str | None:
    """Return what a progression does not fit; None if it fits."""
    if item.progression == _NOT_STATED:
        return None
    if item.kind == "inferred_normal":
        return "rests on silence, which states no change: its progression must be not_stated"
    if item.progression == "worsening" and item.presence == "absent":
        return "says that an absent finding is worsening; give the presence and the progression on the new image"
    read = {
        change
        for words in item.quotes
        if (quote := locate(words, report.text)) is not None
        for change in _changes_read(quote, item.finding, report.text)
    }
    if read and Progression(item.progression) not in read:
        return (
            f"has the progression {item.progression}, but its quotes say {', '.join(sorted(read))}; "
            "give the progression that the quoted words state"
        )
    return None


def _changes_read(quote: Quote, finding: str, report_text: str) -> set[Progression]:
    """Return the changes of a finding that our own labeler reads inside a quote; what is only suspected has none."""
    label = pack().label_called(finding)
    if label is None:
        return set()
    return {
        said
        for mention in label_evidence(report_text)[label]
        if mention.quote.start < quote.end and quote.start < mention.quote.end
        if mention.hedge not in {"possible", "alternative"}
        for form in mention.finding.normal_forms
        if (said := progression_said(form)) is not None
    }
