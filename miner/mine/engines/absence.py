"""How the rules engine says that a finding is not there, and which denials it may quote for that."""

from collections.abc import Sequence
from functools import lru_cache

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.reasons import Reason
from cxr.miner.language import load_lexicon
from cxr.miner.language.analysis import analyse_report
from cxr.miner.language.labeler import LabelEvidence
from cxr.miner.mine.engines.backing import on_topic
from cxr.miner.mine.engines.nouns import enumerated, named_as, noun_of, with_article
from cxr.miner.mine.engines.pieces import evidence_of, known_of
from cxr.miner.mine.engines.voice import Voice
from cxr.miner.pack import pack
from cxr.schemas.finding import Finding
from cxr.schemas.reasoning import Evidence
from cxr.schemas.vocabulary import EvidenceKind, Presence, Side

# More of what is normal in its place says no more of a finding.
_MOST_NORMALS = 2


@lru_cache(maxsize=256)
def denials(finding: str, report_text: str) -> tuple[LabelEvidence, ...]:
    """Return the mentions that may be quoted for the absence of a label's finding."""
    return tuple(
        mention
        for mention in known_of(report_text)[finding]
        if mention.value == 0
        and rules_out(mention)
        and on_topic([mention.quote], finding, Presence.ABSENT, report_text)
    )


def rules_out(mention: LabelEvidence) -> bool:
    """Return whether an absence is that of the whole finding: not of one side, one degree, or one removed device."""
    lexicon = load_lexicon()
    for form in mention.finding.normal_forms:
        one_of_many = lexicon.concepts[form.concept].kind == "device" and form.concept != pack().roles.device
        if form.side in {Side.LEFT, Side.RIGHT} or form.severity is not None or one_of_many:
            return False
    return True


def statement(finding: str, mentions: Sequence[LabelEvidence], report_text: str, voice: Voice) -> str:
    """Return what is normal where the report says it of that very structure, else that the finding is not there.

    Where the report denies only kinds of it, these are named first.
    """
    said = pack().wording.sentences
    if not mentions:
        return voice.say(said.no_sign, "no_sign", finding=named_as(finding))
    if normals := normals_in(mentions, report_text, voice):
        return voice.say(said.normal, "normal", normal=enumerated(normals), finding=noun_of(finding))
    if kinds := only_kinds(finding, mentions):
        return voice.say(said.no_kind, "no_kind", kinds=" or ".join(kinds), finding=named_as(finding))
    return voice.say(said.not_seen, "not_seen", finding=noun_of(finding))


def with_a_sign(piece: Evidence, report_text: str, voice: Voice) -> Evidence:
    """Return a piece that rests on silence with what the report has that speaks for the absence, where it has that.

    That is the denial of a sign: "no Y is seen, nor any other sign of X".
    """
    if piece.kind is EvidenceKind.QUOTED or piece.presence is Presence.PRESENT or piece.finding not in pack().signs:
        return piece
    (judged,) = RulesJudge().verdicts(report_text, [Finding(observation=piece.finding, status="not present")])
    quotes = on_topic(judged.evidence, piece.finding, Presence.ABSENT, report_text)
    if judged.reason != Reason.NORMAL_SIGN_OF_ABSENCE or not quotes:
        return piece
    names = dict.fromkeys(
        load_lexicon().concepts[mention.form.concept].name
        for mention in analyse_report(report_text).mentions
        if mention.form.presence is Presence.ABSENT
        and any(quote.start <= mention.start < quote.end for quote in quotes)
    )
    if not names:
        return piece
    wordings = pack().wording.sentences.no_kind
    statement = voice.say(wordings, "no_kind", kinds=" or ".join(names), finding=named_as(piece.finding))
    return evidence_of(piece.evidence_no, piece.finding, Presence.ABSENT, statement, quotes)


def is_bare(piece: Evidence, report_text: str, voice: Voice) -> bool:
    """Return whether a piece denies its finding by name alone, without what is normal, or the kinds that are denied."""
    denied = denials_of(piece, report_text)
    return not normals_in(denied, report_text, voice) and not (denied and only_kinds(piece.finding, denied))


def denials_of(piece: Evidence, report_text: str) -> Sequence[LabelEvidence]:
    """Return the mentions that a piece of absence rests on; none where it rests on silence or on words."""
    if piece.kind is not EvidenceKind.QUOTED or piece.finding not in pack().signs:
        return ()
    return denials(piece.finding, report_text)


def normals_in(mentions: Sequence[LabelEvidence], report_text: str, voice: Voice) -> list[str]:
    """Return what is said to be normal in the place of a finding; the plain wording has one, and not in wider words.

    What is normal but for something that it would rule out ("the Y is otherwise clear") is left out; what is left of an
    old disease, and is no finding that is asked about, does not count there.
    """
    lexicon = load_lexicon()
    whole = [each for each in mentions if (each.via is None or not voice.plain) and "otherwise" not in each.quote.text]
    forms = [form for each in whole for form in each.finding.normal_forms]
    normals = [form.concept for form in forms if lexicon.concepts[form.concept].kind == "normal"]
    if normals and not voice.plain:
        there = _seen(report_text)
        normals = [concept for concept in normals if lexicon.ruled_out[concept].isdisjoint(there)]
    names = dict.fromkeys(lexicon.concepts[concept].name for concept in normals)
    return [with_article(name) for name in names][: 1 if voice.plain else _MOST_NORMALS]


@lru_cache(maxsize=16)
def _seen(report_text: str) -> frozenset[str]:
    mentions = analyse_report(report_text).mentions
    there = {mention.form.concept for mention in mentions if mention.form.presence is Presence.PRESENT}
    concepts = (load_lexicon().concepts[concept] for concept in there)
    return frozenset(each.id for each in concepts if each.label is not None or each.course != "chronic")


def only_kinds(finding: str, mentions: Sequence[LabelEvidence]) -> list[str]:
    """Return the names of what is denied, where that is less than the finding."""
    lexicon = load_lexicon()
    named = [form.concept for mention in mentions if mention.via is None for form in mention.finding.normal_forms]
    core = next(label.core for label in pack().labels if label.name == finding)
    denied = {below for concept in named for below in lexicon.descendants[concept]}
    if not named or denied.issuperset(core) or any(mention.via is not None for mention in mentions):
        return []
    names = dict.fromkeys(concept for concept in named if lexicon.concepts[concept].kind != "normal")
    widest = [one for one in names if not any(one in lexicon.descendants[two] for two in names if two != one)]
    return [lexicon.concepts[concept].name for concept in widest or names]
