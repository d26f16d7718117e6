"""Findings that a question names in words ("small left X") instead of by a label.

Such questions come from reports (`cxr ask --source report`) and from other groups' benchmarks. What the report says
of a phrase is what the rules judge says of it: its verdict gives the presence, its spans become the quotes.
"""

from collections.abc import Sequence

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.reasons import in_plain_words
from cxr.miner.kit.errors import MiningReject
from cxr.miner.language import load_lexicon, read_finding
from cxr.miner.language.grounding import MOST_QUOTES
from cxr.miner.mine.engines.backing import on_topic, with_what_is_missing
from cxr.miner.mine.engines.nouns import in_sentence, with_article
from cxr.miner.mine.engines.pieces import against_answer, evidence_of
from cxr.miner.mine.unquoted import without
from cxr.miner.pack import pack
from cxr.miner.pack.wording import RegionReading
from cxr.schemas.finding import Finding, JudgedFinding
from cxr.schemas.reasoning import Evidence
from cxr.schemas.vocabulary import Presence, RejectReason, Verdict


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


def named_evidence(report: str, numbered: Sequence[tuple[int, str, bool]]) -> list[Evidence]:
    """Return evidence on phrases, each with its number and whether the answer takes it as present.

    Raises MiningReject where what the report says contradicts the answer.
    """
    claims = [Finding(observation=finding, status="present") for _, finding, _ in numbered]
    judged = RulesJudge().verdicts(report, claims)
    return [
        _present(number, finding, verdict, report) if expected else _absent(number, finding, verdict, report)
        for (number, finding, expected), verdict in zip(numbered, judged, strict=True)
    ]


def _present(number: int, finding: str, judged: JudgedFinding, report: str) -> Evidence:
    if judged.verdict is not Verdict.SUPPORTED or not judged.evidence:
        raise against_answer(finding, Presence.PRESENT, in_plain_words(judged.reason))
    name = in_sentence(finding)
    quotes = on_topic(judged.evidence, finding, Presence.PRESENT, report) or judged.evidence
    shows = pack().wording.sentences.shows
    statement = shows.format(seen=with_article(name))
    kept, missing = with_what_is_missing(statement, quotes[:MOST_QUOTES], report)
    if missing:
        statement = shows.format(seen=with_article(without(name, missing)))
    return evidence_of(number, finding, Presence.PRESENT, statement, kept)


def _absent(number: int, finding: str, judged: JudgedFinding, report: str) -> Evidence:
    if judged.verdict is Verdict.SUPPORTED:
        raise against_answer(finding, Presence.ABSENT, in_plain_words(judged.reason))
    said, name = pack().wording.sentences, in_sentence(finding)
    quotes = on_topic(judged.evidence, finding, Presence.ABSENT, report)
    if judged.verdict is Verdict.CONTRADICTED and quotes:
        return evidence_of(number, finding, Presence.ABSENT, said.not_seen.format(finding=name), quotes)
    return evidence_of(number, finding, Presence.ABSENT, said.no_sign.format(finding=with_article(name)))
