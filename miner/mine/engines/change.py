"""Temporal questions of the `llm` engine: the checks on what a model says has changed since the reference image.

The model sees both reports. Quotes are from the current one: an `Evidence` has offsets into its question's own report
and no place for those of another, so the prior report is context that is compared with and never quoted. Where the
store has no prior report, the current one alone tells, as for the rules engine.
"""

from cxr.miner.language.grounding import locate
from cxr.miner.mine.assertion import read_within
from cxr.miner.mine.engines.temporal import changes_in, progression_of
from cxr.prompts.replies import ChangeItemReply, TemporalEvidenceReply
from cxr.schemas.question import Question
from cxr.schemas.rejection import Rejection
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import Progression, RejectReason

_NOT_STATED = "not_stated"


def check_progressions(reply: TemporalEvidenceReply, report: Report) -> Rejection | None:
    """Check that each progression fits its presence and its quotes."""
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


def _misfit(item: ChangeItemReply, report: Report) -> str | None:
    """Return what a progression does not fit; None if it fits."""
    if item.progression == _NOT_STATED:
        return None
    if item.kind == "inferred_normal":
        return "rests on silence, which states no change: its progression must be not_stated"
    if item.progression == "worsening" and item.presence == "absent":
        return "says that an absent finding is worsening; give the presence and the progression on the new image"
    read = {
        said
        for words in item.quotes
        if (quote := locate(words, report.text)) is not None
        for said, _, _ in changes_in(read_within(quote, item.finding, report.text))
    }
    if read and Progression(item.progression) not in read:
        return (
            f"has the progression {item.progression}, but its quotes say {', '.join(sorted(read))}; "
            "give the progression that the quoted words state"
        )
    return None
