"""How the rules engine says that a finding is there: each thing once, with what the report says of it."""

from collections.abc import Container, Sequence
from functools import lru_cache

from cxr.miner.judge.facts import stated
from cxr.miner.judge.relations import load_relations
from cxr.miner.language import load_lexicon
from cxr.miner.language.analysis import analyse_report
from cxr.miner.language.grounding import MOST_QUOTES
from cxr.miner.language.labeler import LabelEvidence
from cxr.miner.mine.engines.backing import backed, on_topic
from cxr.miner.mine.engines.doubt import doubted, probable
from cxr.miner.mine.engines.nouns import enumerated, is_plural, noun_of, plural, with_article
from cxr.miner.mine.engines.pieces import against_answer, evidence_of, known_of
from cxr.miner.mine.engines.same import named_once
from cxr.miner.mine.engines.voice import Voice
from cxr.miner.mine.engines.wording import describe, describe_borderline, merged
from cxr.miner.pack import pack
from cxr.schemas.finding import NormalForm
from cxr.schemas.reasoning import Evidence
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import Certainty, Presence


def asserted(finding: str, mentions: Sequence[LabelEvidence], report_text: str) -> Sequence[LabelEvidence]:
    """Leave out what the report only suspects; what is borderline may be described as such (it is not normal).

    Raises MiningReject where nothing is left.
    """
    present = [mention for mention in mentions if mention.value == 1]
    uncertain = [mention for mention in mentions if mention.value == -1]
    certain = [each for each in present if not each.hedge and each.mention not in doubted(report_text)]
    borderline = [mention for mention in present if mention.hedge == "borderline"]
    described = any(label.borderline for label in pack().labels if label.name == finding)
    if certain or (borderline and described):
        return certain or borderline
    said = "only suspects it" if present or uncertain else "does not say so"
    raise against_answer(finding, Presence.PRESENT, f"the report {said}")


def present(number: int, finding: str, mentions: Sequence[LabelEvidence], report_text: str, voice: Voice) -> Evidence:
    """Return what is seen of a finding, with its quotes; raises MiningReject where the report does not assert it."""
    mentions = asserted(finding, mentions, report_text)
    placed = named_once(mentions, with_shared_places(report_text), report_text)
    said_of = merged([(form, mention.several) for mention in mentions for form in placed[mention.mention]])
    forms = [form for form, _ in said_of]
    words_said = {word for mention in mentions for word in mention.quote.text.lower().split()}
    surely = [each.mention for each in mentions if each.mention not in probable(report_text)]
    sure = {form.concept for mention in surely for form in placed[mention]}

    def say(forms: Sequence[NormalForm]) -> str:
        counted = zip(forms, said_of, strict=True)
        seen = list(
            dict.fromkeys(
                _in_words(form, several=several, words_said=words_said, sure=form.concept in sure)
                for form, (_, several) in counted
            )
        )
        said = enumerated(seen)
        names = (noun_of(finding), plural(noun_of(finding)), *pack().wording.phrases.borderline.values())
        if not any(name in phrase for phrase in seen for name in names):
            said += _kind_of(finding, seen, voice)
        return voice.say(pack().wording.sentences.shows, "shows", number, seen=said)

    quotes = on_topic(_telling(mentions, forms), finding, Presence.PRESENT, report_text)
    statement, quotes = backed(say, forms, quotes or [mention.quote for mention in mentions], report_text)
    return evidence_of(number, finding, Presence.PRESENT, statement, quotes, most=len(quotes))


@lru_cache(maxsize=256)
def with_shared_places(report_text: str) -> dict[int, tuple[NormalForm, ...]]:
    """Return the forms of each mention with the side and place that its sentence gives to all of one thing.

    A place in another organ than its own ("an X of the left lower Z and a Y") gives a Y its side alone.
    """
    analysis, lexicon = analyse_report(report_text), load_lexicon()
    forms: dict[int, tuple[NormalForm, ...]] = {}
    for index, placed, _ in stated(analysis, load_relations()):
        form = analysis.mentions[index].form
        organ = lexicon.concepts[form.concept].region
        there = form.locations or all(lexicon.parts[place].region.id == organ for place in placed.locations)
        told = {"side": placed.side, "severity": placed.severity, "locations": placed.locations if there else ()}
        forms[index] = (*forms.get(index, ()), form.model_copy(update=told))
    return forms


def _telling(mentions: Sequence[LabelEvidence], forms: Sequence[NormalForm]) -> list[Quote]:
    """Return the quotes in text order: of everything that is said one, then others up to what one reads."""
    first = {
        form.concept: mention.quote
        for form in forms
        for mention in reversed(mentions)
        if any(read.concept == form.concept for read in mention.finding.normal_forms)
    }
    quotes = list(dict.fromkeys([*first.values(), *(mention.quote for mention in mentions)]))
    return sorted(quotes[: max(MOST_QUOTES, len(first))], key=lambda quote: quote.start)


def _in_words(form: NormalForm, *, several: bool, words_said: Container[str], sure: bool) -> str:
    if form.certainty is Certainty.UNCERTAIN:
        return with_article(describe_borderline(form))
    words, described = pack().wording.doubt, describe(form, several=several, words_said=words_said)
    return with_article(described if sure or words is None else f"{words.said} {described}")


def _kind_of(finding: str, seen: Sequence[str], voice: Voice) -> str:
    """Tie what is seen to the finding that the question names: ", a kind of X"."""
    signs, sentences = pack().signs[finding], pack().wording.sentences
    if len(seen) > 1 or (signs.kinds is not None and is_plural(seen[0])):
        own, wordings = signs.kinds or signs.kind, sentences.kinds
    else:
        own, wordings = signs.kind, sentences.kind
    return voice.say((own,) if own else wordings, "kind", finding=noun_of(finding))


def same_things(one: Evidence, two: Evidence, report_text: str) -> bool:
    """Return whether all that is seen of the second finding was already said of the first."""
    known = known_of(report_text)
    first, second = (
        {mention.mention for mention in asserted(piece.finding, known[piece.finding], report_text)}
        for piece in (one, two)
    )
    return second <= first
