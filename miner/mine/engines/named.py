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
from cxr.miner.mine.engines.nouns import with_article
from cxr.miner.pack import pack
from cxr.miner.pack.wording import RegionReading
from cxr.schemas.finding import Finding, JudgedFinding
from cxr.schemas.reasoning import Evidence
from cxr.schemas.vocabulary import EvidenceKind, Presence, RejectReason, Verdict


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
        _present(number, finding, verdict) if expected else _absent(number, finding, verdict)
        for (number, finding, expected), verdict in zip(numbered, judged, strict=True)
    ]


def _present(number: int, finding: str, judged: JudgedFinding) -> Evidence:
    if judged.verdict is not Verdict.SUPPORTED or not judged.evidence:
        raise MiningReject(
            RejectReason.EVIDENCE_CONTRADICTS_ANSWER,
            f"the answer takes {finding} as present, and {in_plain_words(judged.reason)}",
        )
    return Evidence(
        evidence_no=number,
        finding=finding,
        kind=EvidenceKind.QUOTED,
        presence=Presence.PRESENT,
        statement=pack().wording.sentences.shows.format(seen=with_article(finding.lower())),
        quotes=judged.evidence[:MOST_QUOTES],
    )


def _absent(number: int, finding: str, judged: JudgedFinding) -> Evidence:
    if judged.verdict is Verdict.SUPPORTED:
        raise MiningReject(
            RejectReason.EVIDENCE_CONTRADICTS_ANSWER,
            f"the answer takes {finding} as absent, and {in_plain_words(judged.reason)}",
        )
    denied = judged.verdict is Verdict.CONTRADICTED and bool(judged.evidence)
    said, name = pack().wording.sentences, finding.lower()
    return Evidence(
        evidence_no=number,
        finding=finding,
        kind=EvidenceKind.QUOTED if denied else EvidenceKind.INFERRED_NORMAL,
        presence=Presence.ABSENT,
        statement=said.not_seen.format(finding=name) if denied else said.no_sign.format(finding=with_article(name)),
        quotes=judged.evidence[:MOST_QUOTES] if denied else (),
    )
