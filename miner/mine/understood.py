"""Whether a report was understood well enough to take its silence on a finding for the finding's absence."""

from collections.abc import Sequence

from cxr.miner.language.coverage import coverage
from cxr.miner.mine.engines.nouns import enumerated
from cxr.schemas.reasoning import Evidence
from cxr.schemas.rejection import Rejection
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import EvidenceKind, RejectReason

_WHY = {
    RejectReason.REPORT_NOT_UNDERSTOOD: "too little of the report was read for that; `cxr unread` says which words",
    RejectReason.READING_DOUBTED: "words for a finding stand in the report of which nothing was read",
}


def check_understood(evidence: Sequence[Evidence], report: Report) -> Rejection | None:
    """Check that no evidence rests on the silence of a report that was not understood; None where none does."""
    silent = [piece.finding for piece in evidence if piece.kind is EvidenceKind.INFERRED_NORMAL]
    reason = coverage(report.text).reason if silent else None
    if reason is None:
        return None
    said = f"the answer takes {enumerated(silent)} as absent because the report does not say otherwise"
    return Rejection(reason, f"{said}, and {_WHY[reason]}")
