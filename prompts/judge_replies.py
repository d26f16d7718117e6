"""What a model must reply to the three questions of a judge; every description is part of the instructions it is sent.

As in `cxr.prompts.replies`, the schemas meet the strict form of structured outputs as they are. What comes before the
verdict is written before it, so that the model looks the words up first and decides then.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from cxr.prompts.render import delimit
from cxr.prompts.replies import Reply
from cxr.schemas.finding import Finding


class ExtractedFindingReply(Reply):
    """One finding that the text states."""

    observation: str = Field(
        description="what is observed, with side, place, degree, size and number as the text gives them"
    )
    status: str = Field(description="what the text says of it, e.g. present, not present, normal, possible")
    quote: str = Field(description="the words that state it, one unbroken piece copied character by character")


class ExtractReply(Reply):
    """Every finding that the text states about the image."""

    findings: tuple[ExtractedFindingReply, ...] = Field(description="in the order of the text; empty if there is none")


class SupportItemReply(Reply):
    """What the report says about one finding."""

    number: int = Field(description="the finding's number, as given")
    quotes: tuple[str, ...] = Field(
        description="the deciding words, each one unbroken piece of the report copied character by character; empty "
        "if the report is silent"
    )
    reason: str = Field(description="why, in a few words; names the rule and quotes nothing")
    verdict: Literal["supported", "contradicted", "unmentioned_normal", "unmentioned_abnormal", "not_assessable"] = (
        Field(description="what the report says about the finding")
    )
    extra_detail: bool = Field(
        description="supported, but the finding says more than the report, or asserts what the report only suspects"
    )


class SupportReply(Reply):
    """The verdicts."""

    items: tuple[SupportItemReply, ...] = Field(description="exactly one item for every finding, in their order")


class ContainItemReply(Reply):
    """Whether the list holds one finding."""

    number: int = Field(description="the finding's number, as given")
    held_by: tuple[int, ...] = Field(description="numbers of the list's entries that state or entail it")
    contained: bool = Field(description="whether the list holds the finding")


class ContainReply(Reply):
    """Which findings the list holds."""

    items: tuple[ContainItemReply, ...] = Field(description="exactly one item for every finding, in their order")


def findings_block(kind: str, findings: Sequence[Finding]) -> str:
    """Return findings as a list numbered from 1 between two marks; each takes one line whatever it contains."""
    lines = [
        f"{number}. {' '.join(finding.observation.split())}: {' '.join(finding.status.split()) or 'no status'}"
        for number, finding in enumerate(findings, start=1)
    ]
    return delimit("\n".join(lines), kind)
