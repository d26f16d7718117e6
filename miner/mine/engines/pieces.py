"""Pieces of evidence as the rules engine makes them, and what it says where the report contradicts the answer."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from cxr.miner.kit.errors import MiningReject
from cxr.miner.language.grounding import MOST_QUOTES
from cxr.miner.language.labeler import LabelEvidence, label_evidence
from cxr.schemas.reasoning import Evidence
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import EvidenceKind, Presence, RejectReason


@lru_cache(maxsize=16)
def known_of(report_text: str) -> Mapping[str, Sequence[LabelEvidence]]:
    """Return what a report says of each label; questions about one report come one after the other."""
    return label_evidence(report_text)


def evidence_of(
    number: int, finding: str, presence: Presence, statement: str, quotes: Iterable[Quote] = (), most: int = MOST_QUOTES
) -> Evidence:
    """Return a piece of evidence with the first of its quotes; one without any is inferred from silence."""
    kept = tuple(dict.fromkeys(quotes))[:most]
    return Evidence(
        evidence_no=number,
        finding=finding,
        kind=EvidenceKind.QUOTED if kept else EvidenceKind.INFERRED_NORMAL,
        presence=presence,
        statement=statement,
        quotes=kept,
    )


def against_answer(finding: str, presence: Presence, said: str) -> MiningReject:
    """Return the reject of a question whose answer takes a finding as present, or absent, against what is `said`."""
    message = f"the answer takes {finding} as {presence}, and {said}"
    return MiningReject(RejectReason.EVIDENCE_CONTRADICTS_ANSWER, message)
