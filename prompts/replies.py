"""What a model must reply, one model per step; every description is part of the instructions it is sent.

The JSON schema of each class meets the strict form of structured outputs as it is: every field is required, no other
field is allowed, and no constraint is used that servers do not know. What a schema cannot say (a quote must be in the
report) is checked in `cxr.miner.mine.checks` and sent back to the model in words.
"""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cxr.schemas.base import Frozen
from cxr.schemas.question import Question
from cxr.schemas.vocabulary import Task


class Reply(BaseModel):
    """The base of all replies; errors never show what was in the reply, which can be report text."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PlanItemReply(Reply):
    """What to look for to confirm or exclude one finding."""

    finding: str = Field(description="name of the finding, exactly as listed in the question")
    look_for: str = Field(description="where to look and which signs speak for or against it; one or two sentences")


class PlanReply(Reply):
    """The reading plan."""

    items: tuple[PlanItemReply, ...] = Field(description="exactly one item for every finding asked about")


class EvidenceItemReply(Reply):
    """What the report says about one planned finding."""

    finding: str = Field(description="name of the finding, exactly as in the plan")
    kind: Literal["quoted", "inferred_normal"] = Field(
        description="quoted if the report speaks about the finding, inferred_normal if it is silent"
    )
    presence: Literal["present", "absent"] = Field(
        description="whether the finding is there; absent if the kind is inferred_normal"
    )
    statement: str = Field(description="one sentence as said while looking at the image; never mentions a report")
    quotes: tuple[str, ...] = Field(
        description="the deciding words, each one unbroken piece of the report copied character by character; "
        "empty if and only if the kind is inferred_normal"
    )


class EvidenceReply(Reply):
    """The evidence on the whole plan; its items are numbered from 1 in this order."""

    items: tuple[EvidenceItemReply, ...] = Field(description="at least one item for every finding of the plan")


class ChangeItemReply(EvidenceItemReply):
    """What has become of one planned finding since the reference image; quotes are from the current report."""

    progression: Literal["worsening", "stable", "improving", "not_stated"] = Field(
        description="the change since the reference image; not_stated where the reports do not tell"
    )


class TemporalEvidenceReply(EvidenceReply):
    """The evidence of change on the whole plan; its items are numbered from 1 in this order."""

    items: tuple[ChangeItemReply, ...] = Field(description="at least one item for every finding of the plan")


class StepReply(Reply):
    """One step of the reasoning."""

    text: str = Field(description="one or two sentences of a radiologist thinking aloud at the image")
    evidence: tuple[int, ...] = Field(
        description="numbers of the observations this step rests on; empty for the opening step"
    )


class ChainReply(Reply):
    """The chain of reasoning."""

    steps: tuple[StepReply, ...] = Field(description="an opening, the examination of the findings, the conclusion")
    answer: str = Field(description="the correct answer as given; the letter alone where there are options")


class WholeReply(Reply):
    """Plan, evidence and chain in one; the chain's numbers count the items of the evidence from 1."""

    plan: PlanReply = Field(description="the reading plan, made before anything is read off the report")
    evidence: EvidenceReply = Field(description="what the report says about each finding of the plan")
    chain: ChainReply = Field(description="the reasoning at the image, which rests on the evidence alone")


class TemporalWholeReply(WholeReply):
    """Plan, evidence of change and chain in one; the chain's numbers count the items of the evidence from 1."""

    evidence: TemporalEvidenceReply = Field(description="what has become of each finding of the plan")


REPLY_TYPES: Mapping[str, type[Reply]] = {
    "plan": PlanReply,
    "plan_temporal": PlanReply,
    "evidence": EvidenceReply,
    "evidence_temporal": TemporalEvidenceReply,
    "chain": ChainReply,
    "chain_temporal": ChainReply,
    "whole": WholeReply,
    "whole_temporal": TemporalWholeReply,
}
"""What is replied to each prompt of mining, by the prompt's name."""


class WorkedCase(Frozen):
    """An invented study with the reply that each of the three steps should get; shown to the model as an example.

    A temporal case has evidence of change, and the report of the reference image as `prior_report`.
    """

    name: str = Field(min_length=1)
    report: str = Field(min_length=1)
    prior_report: str | None = Field(default=None, min_length=1)
    style: str | None = Field(default=None, description="the voice of its chain, by name")
    question: Question
    plan: PlanReply
    evidence: TemporalEvidenceReply | EvidenceReply
    chain: ChainReply

    @model_validator(mode="after")
    def _temporal_cases_state_change(self) -> Self:
        temporal = self.question.task is Task.TEMPORAL
        if temporal is not isinstance(self.evidence, TemporalEvidenceReply) or temporal is (self.prior_report is None):
            raise ValueError(f"example {self.name!r}: a prior report and evidence of change make a temporal question")
        return self
