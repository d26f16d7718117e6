"""Findings: what somebody says about an image, as written and in normal form."""

from pydantic import Field

from cxr.schemas.base import Frozen
from cxr.schemas.text import Quote, Span
from cxr.schemas.vocabulary import Certainty, Change, ErrorAttribute, Presence, Severity, Side, Verdict


class NormalForm(Frozen):
    """One concept of a finding with its attributes; None means that the words do not say."""

    concept: str = Field(min_length=1, description="an id of the lexicon")
    presence: Presence
    certainty: Certainty = Certainty.CERTAIN
    locations: tuple[str, ...] = ()
    side: Side | None = None
    severity: Severity | None = None
    size_mm: float | None = Field(default=None, gt=0)
    number: str | None = Field(default=None, description="single, multiple or a count")
    change: Change | None = None
    qualities: tuple[str, ...] = Field(
        default=(), description="words of the pack that exclude one another: where a tip lies, moved apart or not"
    )


_FACTUAL = {
    Verdict.SUPPORTED: True,
    Verdict.UNMENTIONED_NORMAL: True,
    Verdict.CONTRADICTED: False,
    Verdict.UNMENTIONED_ABNORMAL: False,
}


class Finding(Frozen):
    """An observation and its status, as free text, and what they mean.

    A compound observation ("X or Y": "not present") has one normal form per part;
    words that the language layer does not know, or that assert nothing, have none.
    """

    observation: str
    status: str = ""
    normal_forms: tuple[NormalForm, ...] = ()
    span: Span | None = Field(default=None, description="where the finding stands in the text it was read from")


class JudgedFinding(Frozen):
    """A finding with the verdict of a judge and the report spans that decided it."""

    finding: Finding
    verdict: Verdict
    reason: str = Field(description="in words, e.g. stated, severity_conflict, not_mentioned")
    evidence: tuple[Quote, ...] = ()
    extra_detail: bool = Field(
        default=False,
        description="supported, but with a side, place or severity that the report does not state",
    )

    error: ErrorAttribute | None = Field(
        default=None, description="in what a wrong finding is wrong; None where it is right, or the judge does not say"
    )

    sureness: float | None = Field(
        default=None, ge=0, le=1, description="the chance that the first judge's verdict is right, where two judged"
    )
    first_verdict: Verdict | None = Field(
        default=None, description="what the first judge said, where a second was asked; None where its verdict stands"
    )

    @property
    def is_turned(self) -> bool:
        """Whether a second judge made something factual of what was not, or the other way round."""
        return self.first_verdict is not None and _FACTUAL.get(self.first_verdict) is not self.factual

    @property
    def factual(self) -> bool | None:
        """True or False as RadRScore counts it (paper, section 2); None where nothing can be checked."""
        return _FACTUAL.get(self.verdict)
