"""The rules engine on temporal questions: what the later report says of a finding's change since the prior study.

Only the later report is read: radiologists state change when they compare. Where it is silent about the change there
is nothing to mine; where it says another change than the answer, or two opposite ones, the question is a reject.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from cxr.miner.kit.errors import MiningReject
from cxr.miner.language.labeler import LabelEvidence
from cxr.miner.mine.engines.nouns import is_plural, with_article
from cxr.miner.mine.engines.pieces import evidence_of
from cxr.miner.mine.engines.voice import Voice
from cxr.miner.mine.engines.wording import describe
from cxr.miner.pack import pack
from cxr.schemas.finding import NormalForm
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Evidence
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import Change, Presence, Progression, RejectReason

PROGRESSION_OF: Mapping[Change, Progression] = MappingProxyType(
    {
        Change.NEW: Progression.WORSENING,
        Change.WORSENED: Progression.WORSENING,
        Change.UNCHANGED: Progression.STABLE,
        Change.IMPROVED: Progression.IMPROVING,
        Change.RESOLVED: Progression.IMPROVING,
    }
)
"""What counts as which answer: a finding that was not there before is worse, one that has gone is better."""


# As a sentence of the pack has it for one thing and for several.
_BE = ("is", "are")


def progression_of(question: Question) -> Progression:
    """Return the answer of a temporal question as a word."""
    return Progression(question.answer_text)


def change_evidence(question: Question, noun: str, mentions: Sequence[LabelEvidence], voice: Voice) -> Evidence:
    """Return the statement of change that supports the answer, with its quotes.

    `mentions` are what the later report says of the finding, `noun` its name in a sentence. Raises MiningReject where
    the report states no change, another one, or opposite ones; the change of what it only suspects is none.
    """
    finding, wanted = question.findings[0], progression_of(question)
    changes = changes_in(mentions)
    if not changes:
        raise MiningReject(
            RejectReason.EVIDENCE_INCOMPLETE, f"the later report states no change of {finding} since the prior study"
        )
    fitting = [(form, quote) for said, form, quote in changes if said is wanted]
    others = {said for said, _, _ in changes} - {wanted}
    opposite = {Progression.WORSENING, Progression.IMPROVING} - {wanted} if wanted is not Progression.STABLE else set()
    if not fitting or others & opposite:
        raise MiningReject(
            RejectReason.EVIDENCE_CONTRADICTS_ANSWER,
            f"the answer says that {finding} is {wanted}, and the later report says {', '.join(sorted(others))}",
        )
    form = fitting[0][0]
    several = any(mention.several and form in mention.finding.normal_forms for mention in mentions)
    gone = all(one.change is Change.RESOLVED for one, _ in fitting)
    presence = Presence.ABSENT if gone else Presence.PRESENT
    statement = _statement(form, noun, voice, gone=gone, several=several)
    return evidence_of(1, finding, presence, statement, (quote for _, quote in fitting))


def changes_in(mentions: Iterable[LabelEvidence]) -> list[tuple[Progression, NormalForm, Quote]]:
    """Return every change that mentions state, with its form and place; what is only suspected has none."""
    return [
        (said, form, mention.quote)
        for mention in mentions
        if mention.hedge not in {"possible", "alternative"}
        for form in mention.finding.normal_forms
        if (said := progression_said(form)) is not None
    ]


def progression_said(form: NormalForm) -> Progression | None:
    """Return what a form says of change; "no new X" and "still no X" say nothing of an X."""
    absent = form.presence is Presence.ABSENT
    if form.change is None or (absent and form.change is not Change.RESOLVED):
        return None
    return PROGRESSION_OF[form.change]


def _statement(form: NormalForm, noun: str, voice: Voice, *, gone: bool, several: bool) -> str:
    words = pack().wording
    if gone:
        return voice.say(words.sentences.gone, "gone", finding=noun)
    change = Change.IMPROVED if form.change in {None, Change.RESOLVED} else form.change
    seen = describe(form, several=several)
    changed = words.changes[change][is_plural(seen)]
    return voice.say(words.sentences.changed, "changed", seen=with_article(seen), change=changed)


def conclusion(question: Question, voice: Voice) -> str:
    """Return the last step."""
    return voice.say(
        pack().wording.sentences.close_temporal,
        "close",
        finding=(finding := question.findings[0].lower()),
        be=_BE[is_plural(finding)],
        change=progression_of(question),
        answer=question.answer,
    )
