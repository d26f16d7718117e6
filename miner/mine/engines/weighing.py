"""What the rules engine weighs: signs that go with a finding, and another finding that could have explained it.

Each is said only where the report says it, and only with quotes that are about the finding that it is said of.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from cxr.miner.judge import RulesJudge
from cxr.miner.language import load_lexicon
from cxr.miner.language.analysis import Analysis, analyse_report
from cxr.miner.language.labeler import LabelEvidence, in_plural
from cxr.miner.language.sides import ONE_SIDE
from cxr.miner.mine.engines import absence
from cxr.miner.mine.engines.backing import on_topic
from cxr.miner.mine.engines.nouns import enumerated, with_article
from cxr.miner.mine.engines.pieces import known_of
from cxr.miner.mine.engines.presence import with_shared_places
from cxr.miner.mine.engines.voice import Voice
from cxr.miner.mine.engines.wording import describe, merged
from cxr.miner.mine.relevance import topic_of
from cxr.miner.mine.unquoted import unquoted
from cxr.miner.pack import pack
from cxr.miner.pack.wording import Weighing
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Evidence
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import EvidenceKind, Presence, Task

# A reasoning that weighs everything against everything is read by nobody.
_MOST_FITTING, _MOST_WEIGHED = 2, 2


Weighed = tuple[str, Evidence, Evidence]
"""What is said of two findings, and the evidence on both."""


class Beside(NamedTuple):
    """A sentence on what stands beside a finding, and the quotes that say so."""

    sentence: str
    quotes: tuple[Quote, ...]


def with_what_stands_beside(
    question: Question, piece: Evidence, known: Mapping[str, Sequence[LabelEvidence]], report_text: str, voice: Voice
) -> Evidence:
    """Return a piece with what goes with its finding and, where it alone is asked about, what it is weighed with."""
    if voice.plain or piece.kind is not EvidenceKind.QUOTED:
        return piece
    asked = {mention.mention for finding in question.findings for mention in known.get(finding, ())}
    said = [*_fitting(piece, known.get(piece.finding, ()), asked, report_text, voice)]
    if question.task is Task.BINARY:
        said += _against(piece, known, report_text, voice)
    if not said:
        return piece
    statement = " ".join([piece.statement, *(each.sentence for each in said)])
    quotes = (*piece.quotes, *(quote for each in said for quote in each.quotes))
    return piece.model_copy(update={"statement": statement, "quotes": tuple(dict.fromkeys(quotes))})


def _fitting(
    piece: Evidence,
    mentions: Sequence[LabelEvidence],
    asked: Container[int],
    report_text: str,
    voice: Voice,
) -> Iterator[Beside]:
    """Give what one sees of a finding, where its own sentence says so, and what goes with it, wherever that stands.

    What is told of a finding that is asked about is not told of another.
    """
    said, signs = pack().wording.sentences, pack().signs.get(piece.finding)
    if signs is None or piece.presence is not Presence.PRESENT:
        return
    analysis, placed = analyse_report(report_text), with_shared_places(report_text)
    sides = {form.side for each in mentions if each.value == 1 for form in placed.get(each.mention, ())}
    sentences = {analysis.mentions[mention.mention].sentence for mention in mentions if mention.value == 1}
    told: set[int] = set()
    kinds = load_lexicon().descendants
    there = {analysis.mentions[index].form.concept for index, _ in _surely_there(frozenset(kinds), analysis)}
    explained = {
        concept
        for concept, others in signs.fits_unless.items()
        if any(not kinds[other].isdisjoint(there) for other in others)
    }
    fits = frozenset(below for concept in signs.fits if concept not in explained for below in kinds[concept])
    for wordings, concepts, near in (
        (said.shown_as, frozenset(signs.shown_as), sentences),
        (said.fits, fits, None),
    ):
        if not wordings or not concepts:
            continue
        found = []
        for index, quote in _surely_there(concepts, analysis):
            mention = analysis.mentions[index]
            if not sides.issuperset(form.side for form in placed.get(index, ()) if form.side in ONE_SIDE):
                continue
            if index in asked or index in told or (near is not None and mention.sentence not in near):
                continue
            if on_topic([quote], piece.finding, piece.presence, report_text):
                found.append((index, quote))
                told.add(index)
        if sentence := _seen_beside(wordings, found, report_text, voice):
            yield sentence


def _surely_there(concepts: frozenset[str], analysis: Analysis) -> Iterator[tuple[int, Quote]]:
    """Give the mentions of these concepts that are certain, with their clauses."""
    for index, mention in enumerate(analysis.mentions):
        form, start, end = mention.form, mention.clause_start, mention.clause_end
        if form.concept in concepts and form.presence is Presence.PRESENT and not mention.hedge:
            yield index, Quote(start=start, end=end, text=analysis.text[start:end])


def _seen_beside(
    wordings: Sequence[str], found: Sequence[tuple[int, Quote]], report_text: str, voice: Voice
) -> Beside | None:
    analysis, placed = analyse_report(report_text), with_shared_places(report_text)
    said = [
        (form, in_plural(report_text[mention.start : mention.end], mention))
        for index, _ in found
        for mention in (analysis.mentions[index],)
        for form in placed.get(index, ())
    ]
    forms = merged(said)[:_MOST_FITTING]
    concepts = {form.concept for form, _ in forms}
    quotes = tuple(dict.fromkeys(quote for index, quote in found if analysis.mentions[index].form.concept in concepts))
    seen = list(dict.fromkeys(with_article(describe(form, several=several)) for form, several in forms))
    if not seen:
        return None
    sentence = voice.say(wordings, "beside", seen=enumerated(seen))
    return Beside(sentence, quotes) if not unquoted(sentence, quotes) and _is_borne_out(sentence, report_text) else None


def _is_borne_out(sentence: str, report_text: str) -> bool:
    """Return whether a sentence that joins things of several clauses is read as the report has them."""
    judge = RulesJudge()
    return all(judged.factual for judged in judge.verdicts(report_text, judge.extract(sentence)))


def _against(
    piece: Evidence, known: Mapping[str, Sequence[LabelEvidence]], report_text: str, voice: Voice
) -> Iterator[Beside]:
    for rule in _rules_on(piece, report_text):
        mentions = known[rule.other]
        if rule.other_presence is Presence.ABSENT:
            quotes = _denials(rule.other, mentions, report_text)
        else:
            quotes = [mention.quote for mention in mentions if mention.value == 1 and not mention.hedge]
        if about := on_topic(quotes, piece.finding, piece.presence, report_text):
            yield Beside(voice.say(rule.say, "weighing"), tuple(about[:1]))
            return


def _denials(finding: str, mentions: Sequence[LabelEvidence], report_text: str) -> list[Quote]:
    """Return the quotes that deny a finding as a whole and by its name; none where anything else is said of it."""
    if any(mention.value != 0 for mention in mentions):
        return []
    denied = [each for each in absence.denials(finding, report_text) if each.via is None]
    return [] if absence.only_kinds(finding, denied) else [mention.quote for mention in denied]


def _rules_on(piece: Evidence, report_text: str) -> list[Weighing]:
    """Return what may be said of a finding; not what weighs a thing against another name of it."""
    rules = _rules().get((piece.finding, piece.presence), [])
    if not rules:
        return []
    seen = {
        form.concept
        for mention in known_of(report_text)[piece.finding]
        if mention.value == 1
        for form in mention.finding.normal_forms
    }
    kinds = load_lexicon().descendants
    return [
        rule
        for rule in rules
        if seen.isdisjoint(topic_of(rule.other).itself)
        and (not rule.of or any(not kinds[concept].isdisjoint(seen) for concept in rule.of))
    ]


@lru_cache(maxsize=1)
def _rules() -> dict[tuple[str, Presence], list[Weighing]]:
    rules: dict[tuple[str, Presence], list[Weighing]] = {}
    for rule in pack().wording.weighing:
        rules.setdefault((rule.finding, rule.presence), []).append(rule)
    return rules


def weighed(evidence: Sequence[Evidence], report_text: str, voice: Voice) -> list[Weighed]:
    """Return what is said of two findings that a question asks about.

    Both have quotes; one that is not there is denied by its name, and spoken of once.
    """
    quoted = {piece.finding: piece for piece in evidence if piece.kind is EvidenceKind.QUOTED}
    said: list[Weighed] = []
    for piece in quoted.values():
        for rule in _rules_on(piece, report_text):
            other = quoted.get(rule.other)
            if other is None or other.presence is not rule.other_presence:
                continue
            absent = [one for one in (piece, other) if one.presence is Presence.ABSENT]
            spoken_of = {one.finding for _, *pair in said for one in pair if one.presence is Presence.ABSENT}
            if any(one.finding in spoken_of or not absence.is_bare(one, report_text, voice) for one in absent):
                continue
            said.append((voice.say(rule.say, f"weighing {rule.finding} {rule.other}"), piece, other))
            break
    return said[:_MOST_WEIGHED]
