"""Findings that a question names in words ("small left X") instead of by a label.

Such questions come from reports (`cxr ask --source report`) and from other groups' benchmarks. What the report says
of a phrase is what the rules judge says of it: its verdict gives the presence, its spans become the quotes.
"""

from collections.abc import Sequence
from functools import lru_cache

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.reasons import in_plain_words
from cxr.miner.kit.errors import MiningReject
from cxr.miner.language import load_lexicon, read_finding
from cxr.miner.language.analysis import analyse_report
from cxr.miner.language.grounding import MOST_QUOTES
from cxr.miner.language.labeler import in_plural
from cxr.miner.mine.engines.backing import on_topic, with_what_is_missing
from cxr.miner.mine.engines.nouns import in_sentence, named_as, with_article
from cxr.miner.mine.engines.pieces import against_answer, evidence_of
from cxr.miner.mine.engines.presence import with_shared_places
from cxr.miner.mine.engines.voice import Voice
from cxr.miner.mine.engines.wording import describe, merged
from cxr.miner.mine.unquoted import without
from cxr.miner.mine.words import words_of
from cxr.miner.pack import pack
from cxr.miner.pack.wording import RegionReading
from cxr.schemas.finding import Finding, JudgedFinding, NormalForm
from cxr.schemas.reasoning import Evidence
from cxr.schemas.vocabulary import Presence, RejectReason, Severity, Verdict


def region_of(finding: str) -> RegionReading:
    """Return how the region is read that a phrase is about; raises MiningReject for words that nobody knows."""
    forms = read_finding(finding, "present").normal_forms
    if not forms:
        raise MiningReject(
            RejectReason.EVIDENCE_INCOMPLETE,
            f"the rules engine does not know {finding!r}; it knows the words of the lexicon (docs/language.md)",
        )
    regions = pack().regions
    return regions.get(load_lexicon().concepts[forms[0].concept].region) or regions[pack().roles.whole_region]


def read_in(finding: str) -> str:
    """Return the part of the reading in which a finding's turn comes."""
    signs = pack().signs.get(finding)
    return region_of(finding).read_in if signs is None else signs.region


def looked_for(finding: str) -> str:
    """Name what is looked for in a region; a finding that only the answer names must not be given away before."""
    return named_as(finding) if finding in pack().signs else region_of(finding).look_for


def named_evidence(report: str, numbered: Sequence[tuple[int, str, bool]], voice: Voice) -> list[Evidence]:
    """Return evidence on phrases, each with its number and whether the answer takes it as present.

    Raises MiningReject where what the report says contradicts the answer.
    """
    claims = [Finding(observation=finding, status="present") for _, finding, _ in numbered]
    judged = RulesJudge().verdicts(report, claims)
    return [
        _present(number, finding, verdict, report, voice)
        if expected
        else _absent(number, finding, verdict, report, voice)
        for (number, finding, expected), verdict in zip(numbered, judged, strict=True)
    ]


def _present(number: int, finding: str, judged: JudgedFinding, report: str, voice: Voice) -> Evidence:
    if judged.verdict is not Verdict.SUPPORTED or not judged.evidence:
        raise against_answer(finding, Presence.PRESENT, in_plain_words(judged.reason))

    def say(name: str) -> str:
        return voice.say(pack().wording.sentences.shows, "shows", number, seen=with_article(name))

    name = seen_as(finding, report)
    quotes = on_topic(judged.evidence, finding, Presence.PRESENT, report) or judged.evidence
    kept, missing = with_what_is_missing(say(name), quotes[:MOST_QUOTES], report)
    return evidence_of(number, finding, Presence.PRESENT, say(without(name, missing) if missing else name), kept)


@lru_cache(maxsize=256)
def seen_as(finding: str, report: str) -> str:
    """Return what the report says of a finding, in whose words a question has named it with a degree of its own.

    Where it is not known to speak of one thing, this is its name in the question.
    """
    claim = read_finding(finding, "present")
    (judged,) = RulesJudge().verdicts(report, [Finding(observation=finding, status="present")])
    wanted, analysis = claim.normal_forms, analyse_report(report)
    kinds = load_lexicon().descendants[wanted[0].concept]
    said = [
        (form, in_plural(report[mention.start : mention.end], mention))
        for index, forms in with_shared_places(report).items()
        if (mention := analysis.mentions[index]).form.concept in kinds and not mention.hedge
        if any(quote.start < mention.end and mention.start < quote.end for quote in judged.evidence)
        for form in forms
        if form.presence is Presence.PRESENT and _agrees(form, wanted[0])
    ]
    itself = [each for each in said if each[0].concept == wanted[0].concept]
    if len(wanted) > 1 or len(one := merged(itself or said)) != 1:
        return in_sentence(finding)
    words_said = {word for quote in judged.evidence for word in quote.text.lower().split()}
    described = describe(one[0][0], several=one[0][1], words_said=words_said)
    (read,) = RulesJudge().verdicts(report, [Finding(observation=described, status="present")])
    return described if read.verdict is Verdict.SUPPORTED else in_sentence(finding)


def _agrees(form: NormalForm, wanted: NormalForm) -> bool:
    """Return whether a form may be what a question names: its side and size are no others, and its place is named."""
    pairs = ((form.side, wanted.side), (form.size_mm, wanted.size_mm))
    return all(None in pair or pair[0] == pair[1] for pair in pairs) and (
        set(wanted.locations) <= set(form.locations) or not form.locations
    )


@lru_cache(maxsize=4096)
def without_degree(finding: str) -> str:
    """Return a finding as a question names it, without its degree: how severe it is has to be seen."""
    if finding in pack().signs:
        return finding
    name = without(finding.rstrip(" ."), map(str, Severity))
    return name if words_of(name).concepts == words_of(finding).concepts else finding


@lru_cache(maxsize=256)
def denied_as(finding: str, report: str) -> str:
    """Return a finding as it is denied: without its degree, unless the report has one of another degree."""
    name = without_degree(finding)
    (judged,) = RulesJudge().verdicts(report, [Finding(observation=name, status="not present")])
    return name if judged.factual else finding


def _absent(number: int, finding: str, judged: JudgedFinding, report: str, voice: Voice) -> Evidence:
    if judged.verdict is Verdict.SUPPORTED:
        raise against_answer(finding, Presence.ABSENT, in_plain_words(judged.reason))
    said, name = pack().wording.sentences, in_sentence(finding if voice.plain else denied_as(finding, report))
    quotes = on_topic(judged.evidence, finding, Presence.ABSENT, report)
    if judged.verdict is Verdict.CONTRADICTED and quotes:
        statement = voice.say(said.not_seen, "not_seen", finding=name)
        return evidence_of(number, finding, Presence.ABSENT, statement, quotes)
    return evidence_of(number, finding, Presence.ABSENT, voice.say(said.no_sign, "no_sign", finding=with_article(name)))
