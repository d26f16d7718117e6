"""How the rules engine says that a finding is not there, and which denials it may quote for that."""

from collections.abc import Sequence

from cxr.miner.language import load_lexicon
from cxr.miner.language.labeler import LabelEvidence
from cxr.miner.mine.engines.nouns import named_as, noun_of, with_article
from cxr.miner.pack import pack
from cxr.schemas.vocabulary import Side


def rules_out(mention: LabelEvidence) -> bool:
    """Return whether an absence is that of the whole finding: not of one side, one degree, or one removed device."""
    lexicon = load_lexicon()
    for form in mention.finding.normal_forms:
        one_of_many = lexicon.concepts[form.concept].kind == "device" and form.concept != pack().roles.device
        if form.side in {Side.LEFT, Side.RIGHT} or form.severity is not None or one_of_many:
            return False
    return True


def statement(finding: str, mentions: Sequence[LabelEvidence]) -> str:
    """Return what is normal where the report says it of that very structure, else that the finding is not there.

    Where the report denies only kinds of it, these are named first.
    """
    lexicon, sentences = load_lexicon(), pack().wording.sentences
    if not mentions:
        return sentences.no_sign.format(finding=named_as(finding))
    named = [form.concept for mention in mentions if mention.via is None for form in mention.finding.normal_forms]
    normals = [lexicon.concepts[concept].name for concept in named if lexicon.concepts[concept].kind == "normal"]
    if normals:
        return sentences.normal.format(normal=with_article(normals[0]), finding=noun_of(finding))
    if kinds := _only_kinds(finding, mentions, named):
        return sentences.no_kind.format(kinds=" or ".join(kinds), finding=named_as(finding))
    return sentences.not_seen.format(finding=noun_of(finding))


def _only_kinds(finding: str, mentions: Sequence[LabelEvidence], named: Sequence[str]) -> list[str]:
    """Return the names of what is denied, where that is less than the finding."""
    lexicon = load_lexicon()
    core = next(label.core for label in pack().labels if label.name == finding)
    denied = {below for concept in named for below in lexicon.descendants[concept]}
    if not named or denied.issuperset(core) or any(mention.via is not None for mention in mentions):
        return []
    names = dict.fromkeys(named)
    widest = [one for one in names if not any(one in lexicon.descendants[two] for two in names if two != one)]
    return [lexicon.concepts[concept].name for concept in widest or names]
