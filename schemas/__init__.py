"""The vocabulary of cxr as frozen pydantic models; this package imports nothing of ours."""

from cxr.schemas.base import Frozen
from cxr.schemas.finding import Finding, JudgedFinding, NormalForm
from cxr.schemas.prediction import Prediction
from cxr.schemas.question import Option, Question
from cxr.schemas.reasoning import Chain, ChainStep, Evidence, Plan, PlanItem
from cxr.schemas.study import Report
from cxr.schemas.text import Quote, Section, Span
from cxr.schemas.vocabulary import (
    Certainty,
    Change,
    ErrorAttribute,
    EvidenceKind,
    Licence,
    Presence,
    Progression,
    RejectReason,
    Severity,
    Side,
    Significance,
    Stage,
    Task,
    Verdict,
)

__all__ = [
    "Certainty", "Chain", "ChainStep", "Change", "ErrorAttribute", "Evidence", "EvidenceKind", "Finding", "Frozen",
    "JudgedFinding", "Licence", "NormalForm", "Option", "Plan", "PlanItem", "Prediction", "Presence", "Progression",
    "Question", "Quote", "RejectReason", "Report", "Section", "Severity", "Side", "Significance", "Span", "Stage",
    "Task", "Verdict",
]  # fmt: skip
