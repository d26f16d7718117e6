"""Findings that a question names in words ("small left pleural effusion") instead of by one of the 14 labels.

Such questions come from reports (`cxr ask --source report`) and from other groups' benchmarks. What the report says
of a phrase is what the rules judge says of it: its verdict gives the presence, its spans become the quotes.
"""

from collections.abc import Sequence
from functools import lru_cache

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.reasons import in_plain_words
from cxr.miner.kit.errors import MiningReject
from cxr.miner.language import load_lexicon, read_finding
from cxr.miner.language.grounding import MOST_QUOTES
from cxr.miner.mine.engines.nouns import with_article
from cxr.miner.pack import pack
from cxr.schemas.finding import Finding, JudgedFinding
from cxr.schemas.reasoning import Evidence
from cxr.schemas.vocabulary import EvidenceKind, Presence, RejectReason, Verdict


@lru_cache(maxsize=1)
def regions() -> dict[str, str]:
    """Return what to look for in each region of the lexicon."""
    return {region: entry["look_for"] for region, entry in pack().table("regions.toml").items()}


def region_of(finding: str) -> str:
    """Return the region of the image that a phrase is about; raises MiningReject for words that nobody knows."""
    forms = read_finding(finding, "present").normal_forms
    if not forms:
        raise MiningReject(
            RejectReason.EVIDENCE_INCOMPLETE,
            f"the rules engine does not know {finding!r}; it knows the words of the lexicon (docs/language.md)",
        )
    return load_lexicon().concepts[forms[0].concept].region


def look_for(finding: str) -> str:
    """Return what to look for; raises MiningReject for words that nobody knows."""
    return regions()[region_of(finding)]


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
        statement=f"The image shows {with_article(finding.lower())}.",
        quotes=judged.evidence[:MOST_QUOTES],
    )


def _absent(number: int, finding: str, judged: JudgedFinding) -> Evidence:
    if judged.verdict is Verdict.SUPPORTED:
        raise MiningReject(
            RejectReason.EVIDENCE_CONTRADICTS_ANSWER,
            f"the answer takes {finding} as absent, and {in_plain_words(judged.reason)}",
        )
    denied = judged.verdict is Verdict.CONTRADICTED and bool(judged.evidence)
    return Evidence(
        evidence_no=number,
        finding=finding,
        kind=EvidenceKind.QUOTED if denied else EvidenceKind.INFERRED_NORMAL,
        presence=Presence.ABSENT,
        statement=f"No {finding.lower()} is seen."
        if denied
        else f"There is no sign of {with_article(finding.lower())}.",
        quotes=judged.evidence[:MOST_QUOTES] if denied else (),
    )
