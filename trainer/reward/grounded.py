"""The process reward that pays for what a reasoning says, not for what it leaves unsaid.

    grounded = 2 * stated * completeness / (stated + completeness)

    stated        of what is claimed, the part that is right: what the reference reasoning states and the completion
                  holds, and what else it finds that the report states. Against it stands every finding that the report
                  contradicts, and every abnormal one that it does not mention.
    completeness  of what the reference reasoning states, the part that the completion holds, by the pack's significance

The paper's factuality (equation 9) is the share of findings that the report does not refute, so its best answer is one
safe normal. Here a normal that the report does not mention is neither credit nor debt, and one that it does mention is
credit where the reference asks for it: standard normals would otherwise thin out what is wrong. What is said twice, or
in wider words, or follows from what is said already, is right once.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cxr.miner.judge import Judge
from cxr.miner.judge.radrscore import ScoredReasoning
from cxr.miner.judge.significance import load_significances
from cxr.miner.judge.weighted import significance_of, weigh_reference
from cxr.schemas import Finding, JudgedFinding, Significance, Verdict

_SENTENCE = re.compile(r"[^.!?\n]*\w[^.!?\n]*")


Given = str | Sequence[str] | Sequence[Mapping[str, str]]
"""A reference as rows hold it: its text, its sentences, or its findings with `observation` and `status`."""


class Reference(NamedTuple):
    """What a completion is asked to hold."""

    findings: tuple[Finding, ...]
    contradicted: int
    """How many others the report contradicts."""


class Grounded(NamedTuple):
    """The reward with its two halves, each between 0 and 1."""

    value: float
    stated: float
    completeness: float


class Claims(NamedTuple):
    """What a reasoning claims, and what the report says of it."""

    findings: tuple[JudgedFinding, ...]
    silent: float
    """The share of its sentences that assert nothing, or nothing new; 1 where there is no finding at all."""

    def count(self, *verdicts: Verdict) -> int:
        """Return how many findings have one of these verdicts."""
        return sum(judged.verdict in verdicts for judged in self.findings)

    def counts(self) -> dict[str, int]:
        """Return how many findings the report states, does not mention (normal and abnormal) and contradicts."""
        return {
            "stated": self.count(Verdict.SUPPORTED),
            "unmentioned": self.count(Verdict.UNMENTIONED_NORMAL, Verdict.UNMENTIONED_ABNORMAL),
            "contradicted": self.count(Verdict.CONTRADICTED),
        }


def read_reference(reference: str | Sequence[Finding], report: str, judge: Judge) -> Reference:
    """Return the findings of a reference, each once, but for those that its report does not bear out.

    Nobody can be asked to say what the report denies. Raises what the judge raises.
    """
    read = judge.extract(reference) if isinstance(reference, str) else list(reference)
    judged = judge.verdicts(report, read) if read else []
    borne = [one.finding for one in judged if one.factual]
    once = {finding.normal_forms or (finding.observation, finding.status): finding for finding in borne}
    return Reference(tuple(once.values()), sum(one.verdict is Verdict.CONTRADICTED for one in judged))


def grounded(scored: ScoredReasoning) -> Grounded:
    """Return the reward of a reasoning that is scored against its report and its reference; 0 where it asserts nothing.

    Raises ValueError where the reference states no finding.
    """
    right, missed = weigh_reference(scored, normal=load_significances().weight(Significance.ROUTINE))
    if not right + missed:
        raise ValueError("the reference states no finding; give the findings of the reference reasoning")
    held = sum(scored.recalled) + len(_beyond(scored))
    claimed = held + sum(judged.factual is False for judged in scored.prediction)
    stated, complete = held / claimed if claimed else 0.0, right / (right + missed)
    value = 2 * stated * complete / (stated + complete) if stated and complete else 0.0
    return Grounded(value, stated, complete)


def claims(reasoning: str, findings: Sequence[JudgedFinding]) -> Claims:
    """Return what a reasoning claims, by findings with their spans in it."""
    begins = [one.finding.span.start for one in findings if one.factual is not None and one.finding.span is not None]
    sentences = [match.span() for match in _SENTENCE.finditer(reasoning)]
    if not sentences or not begins:
        return Claims(tuple(findings), 1.0)
    told = sum(any(start <= begin < end for begin in begins) for start, end in sentences)
    return Claims(tuple(findings), 1 - told / len(sentences))


def held(reference: Given | None) -> str | tuple[Finding, ...] | None:
    """Return a reference as its text or its findings, which can be looked up; lists may come as arrays."""
    if reference is None or isinstance(reference, str):
        return reference
    listed: list[Any] = list(reference)
    if all(isinstance(one, str) for one in listed):
        return " ".join(listed)
    return tuple(Finding(observation=one["observation"], status=one.get("status") or "") for one in listed)


def _beyond(scored: ScoredReasoning) -> set[tuple[object, ...]]:
    """Return what is found beyond the reference and the report states, by the words of the report: each words once."""
    return {
        tuple((quote.start, quote.end) for quote in judged.evidence) or (judged.finding.observation,)
        for judged, effective in zip(scored.prediction, scored.effective, strict=True)
        if judged.verdict is Verdict.SUPPORTED and not effective and significance_of(judged.finding) is not None
    }
