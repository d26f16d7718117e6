"""RadRScore: factuality, completeness and effectiveness of a reasoning, and their mean.

E_pred are the findings of the model's reasoning, E_ref those of the reference reasoning, R is the report
(paper, section 2). A finding of E_pred that asserts nothing checkable (`not_assessable`) is no finding in
that sense: it stands outside E_pred, in the numerator and the denominator alike. E_ref is the list that
was given, whole.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from pydantic import Field

from cxr.miner.judge.protocol import Judge
from cxr.schemas import Finding, Frozen, JudgedFinding


class Empty(StrEnum):
    """What a share with nothing to count is worth."""

    ZERO = "zero"
    """0, and the sample counts: as in the paper's released evaluation."""
    SKIP = "skip"
    """No value: the sample is left out of the mean of that share, and of RadRScore."""


class RadRScore(Frozen):
    """The three shares, each between 0 and 1, or None where it was empty and empty ones are skipped."""

    factuality: float | None = Field(ge=0, le=1)
    completeness: float | None = Field(ge=0, le=1)
    effectiveness: float | None = Field(ge=0, le=1)

    @property
    def radrscore(self) -> float | None:
        """The mean of the three shares; None when any of them has no value."""
        if self.factuality is None or self.completeness is None or self.effectiveness is None:
            return None
        return (self.factuality + self.completeness + self.effectiveness) / 3.0


class ScoredReasoning(Frozen):
    """A reasoning against its reference and report, finding by finding."""

    prediction: tuple[JudgedFinding, ...]
    effective: tuple[bool | None, ...] = Field(
        description="per prediction: does the reference hold it; None where the finding asserts nothing"
    )
    reference: tuple[Finding, ...]
    recalled: tuple[bool, ...] = Field(description="per reference finding: does the prediction hold it")
    score: RadRScore


def share(flags: Iterable[bool | None], empty: Empty = Empty.ZERO) -> float | None:
    """Return the share of true among the flags that are not None; for none at all, what `empty` says."""
    counted = [flag for flag in flags if flag is not None]
    if not counted:
        return 0.0 if empty is Empty.ZERO else None
    return sum(counted) / len(counted)


def radrscore(
    factual: Sequence[bool | None],
    recalled: Sequence[bool | None],
    effective: Sequence[bool | None],
    *,
    empty: Empty = Empty.ZERO,
) -> RadRScore:
    """Compute RadRScore from what a judge said of each finding; None marks a finding that is not counted."""
    return RadRScore(
        factuality=share(factual, empty), completeness=share(recalled, empty), effectiveness=share(effective, empty)
    )


def score_reasoning(
    prediction: str | Sequence[Finding],
    reference: str | Sequence[Finding],
    report: str,
    judge: Judge,
    *,
    empty: Empty = Empty.ZERO,
) -> ScoredReasoning:
    """Score a reasoning against a reference reasoning and the report; texts are read into findings first."""
    predicted = judge.extract(prediction) if isinstance(prediction, str) else list(prediction)
    expected = judge.extract(reference) if isinstance(reference, str) else list(reference)
    judged = judge.verdicts(report, predicted)
    assessable = [item.factual is not None for item in judged]
    kept = [finding for finding, keep in zip(predicted, assessable, strict=True) if keep]
    held = iter(judge.contained(kept, expected))
    effective = tuple(next(held) if keep else None for keep in assessable)
    recalled = tuple(judge.contained(expected, kept))
    return ScoredReasoning(
        prediction=tuple(judged),
        effective=effective,
        reference=tuple(expected),
        recalled=recalled,
        score=radrscore([item.factual for item in judged], recalled, effective, empty=empty),
    )
