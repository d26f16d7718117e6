"""Plan, evidence and chain: the three stages of mined reasoning (paper, section 2)."""

from typing import Self

from pydantic import Field, model_validator

from cxr.schemas.base import Frozen
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import EvidenceKind, Presence


class PlanItem(Frozen):
    """What to look for in the image to confirm or exclude one finding."""

    finding: str = Field(min_length=1)
    look_for: str = Field(min_length=1)


class Plan(Frozen):
    """What to look for, per disease: one item for every finding that the question asks about."""

    items: tuple[PlanItem, ...] = Field(min_length=1)


class Evidence(Frozen):
    """What is known about one planned finding, and which words of the report say so."""

    evidence_no: int = Field(ge=1, description="numbered from 1 within its chain; steps refer to it")
    finding: str = Field(min_length=1, description="the planned finding that this answers")
    kind: EvidenceKind
    presence: Presence
    statement: str = Field(min_length=1, description="the observation as one would make it on the image")
    quotes: tuple[Quote, ...] = ()

    @model_validator(mode="after")
    def _quoted_or_silent(self) -> Self:
        if self.kind is EvidenceKind.QUOTED and not self.quotes:
            raise ValueError(f"evidence on {self.finding} is quoted but has no quote")
        if self.kind is EvidenceKind.INFERRED_NORMAL:
            if self.quotes:
                raise ValueError(f"evidence on {self.finding} is inferred from silence but has a quote")
            if self.presence is Presence.PRESENT:
                raise ValueError(f"silence about {self.finding} cannot mean that it is present")
        return self


class ChainStep(Frozen):
    """One sentence or two of the reasoning, and the evidence it rests on (none for opening and conclusion)."""

    step_no: int = Field(ge=1)
    text: str = Field(min_length=1)
    evidence: tuple[int, ...] = ()


class Chain(Frozen):
    """The reasoning as a radiologist at the image would say it: plan first, observations, then the answer."""

    steps: tuple[ChainStep, ...] = Field(min_length=2)
    answer: str = Field(min_length=1)

    @property
    def text(self) -> str:
        """The steps as one paragraph: the content of `<think>` in training."""
        return " ".join(step.text for step in self.steps)
