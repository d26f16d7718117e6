"""The process reward that pays for what a reasoning says, not for what it leaves unsaid.

    grounded = 2 * stated * completeness / (stated + completeness)

    completeness  of what the reference reasoning states, the part that the reasoning holds, by the pack's significance
    stated        right / (right + wrong + beside), of what the reasoning claims:
        right     each finding of the reference that it holds, and each abnormal one beyond that the report states
        wrong     each finding that the report contradicts, and each abnormal one that it does not mention
        beside    each normal that the reference does not ask for, but for two, whatever the report says of it

The paper's factuality (equation 9) is the share of findings that the report does not refute, so its best answer is one
safe normal. Here one or two normals that nobody asked for are neither credit nor debt, as an honest reading has them; a
list of them is no reasoning, and thins out what is right. (With the normals that the report states as credit and the
others free, "ten standard normals" earns at least as much as honest reasoning on one report of OpenI in six.) What is
said twice is right once. A normal of the reference that is not named, only implied by wider words ("nothing acute" for
the denial of one thing), is held by half. What the reasoning says both ways, denied as well as asserted, or in two
degrees, it does not hold: neither way is credit, and what the report says against one of them stays wrong.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cxr.miner.judge import Judge
from cxr.miner.judge.radrscore import ScoredReasoning
from cxr.miner.judge.significance import load_significances
from cxr.miner.judge.weighted import significance_of, weigh_reference
from cxr.schemas import Finding, JudgedFinding, Significance, Verdict
from cxr.trainer.reward.claimed import both_ways, forms_of, names

FREE = 2
"""Normals that nobody asked for and that cost nothing: about as many as an honest reading has."""
IMPLIED = 0.5
"""What is missed of a normal that is asked for and only implied."""

_SENTENCE = re.compile(r"[^.!?\n]+")
_WORD = re.compile(r"\w")

Given = str | Sequence[str] | Sequence[Mapping[str, str]]
"""A reference as rows hold it: its text, its sentences, or its findings with `observation` and `status`."""


class Reference(NamedTuple):
    """What a completion is asked to hold."""

    findings: tuple[Finding, ...]
    contradicted: int
    """How many others the report contradicts."""


class Grounded(NamedTuple):
    """The reward with its two halves, each between 0 and 1, and what they were made of."""

    value: float
    stated: float
    completeness: float
    recalled: int = 0
    """Findings of the reference that are held."""
    beside: int = 0
    """Normals that count against it, because nobody asked for them and they are more than two."""
    both_ways: int = 0
    """Findings that are said both ways."""


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


def grounded(scored: ScoredReasoning, judge: Judge) -> Grounded:
    """Return the reward of a reasoning that is scored against its report and its reference; 0 where it asserts nothing.

    Raises ValueError where the reference states no finding, and what the judge raises: what is left of a reasoning
    that says something both ways is compared with the reference once more.
    """
    held = _without_both_ways(scored, judge)
    right, missed = weigh_reference(held, normal=_normal())
    if not right + missed:
        raise ValueError("the reference states no finding; give the findings of the reference reasoning")
    implied = IMPLIED * _implied(held)
    beside = max(0, _beside(held) - FREE)
    told = sum(held.recalled) - implied + len(_beyond(held))
    claimed = told + sum(judged.factual is False for judged in scored.prediction) + beside
    stated = told / claimed if claimed else 0.0
    complete = (right - implied * _normal()) / (right + missed)
    value = 2 * stated * complete / (stated + complete) if stated and complete else 0.0
    return Grounded(value, stated, complete, sum(held.recalled), beside, len(scored.prediction) - len(held.prediction))


def claims(reasoning: str, findings: Sequence[JudgedFinding]) -> Claims:
    """Return what a reasoning claims, by findings with their spans in it."""
    begins = [one.finding.span.start for one in findings if one.factual is not None and one.finding.span is not None]
    sentences = [match.span() for match in _SENTENCE.finditer(reasoning) if _WORD.search(match.group())]
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


def _normal() -> float:
    """Return what a normal or denial of the reference weighs."""
    return load_significances().weight(Significance.ROUTINE)


def _without_both_ways(scored: ScoredReasoning, judge: Judge) -> ScoredReasoning:
    """Return a scored reasoning without what it says both ways, compared with its reference by what is left."""
    flags = both_ways([judged.finding for judged in scored.prediction])
    if not any(flags):
        return scored
    kept = [
        (judged, effective)
        for judged, effective, both in zip(scored.prediction, scored.effective, flags, strict=True)
        if not both
    ]
    told = [judged.finding for judged, _ in kept if judged.factual is not None]
    update = {
        "prediction": tuple(judged for judged, _ in kept),
        "effective": tuple(effective for _, effective in kept),
        "recalled": tuple(judge.contained(scored.reference, told)),
    }
    return scored.model_copy(update=update)


def _implied(scored: ScoredReasoning) -> int:
    """Return how many normals of the reference follow from what is told, and are not named in it."""
    told = forms_of(judged.finding for judged in scored.prediction if judged.factual is not None)
    return sum(
        recalled and significance_of(finding) is None and not names(told, finding)
        for finding, recalled in zip(scored.reference, scored.recalled, strict=True)
    )


def _beside(scored: ScoredReasoning) -> int:
    """Return how many normals, which the report does not contradict, the reference does not hold."""
    return sum(
        bool(judged.factual) and not effective and significance_of(judged.finding) is None
        for judged, effective in zip(scored.prediction, scored.effective, strict=True)
    )


def _beyond(scored: ScoredReasoning) -> set[tuple[object, ...]]:
    """Return what is found beyond the reference and the report states, by the words of the report: each words once."""
    return {
        tuple((quote.start, quote.end) for quote in judged.evidence) or (judged.finding.observation,)
        for judged, effective in zip(scored.prediction, scored.effective, strict=True)
        if judged.verdict is Verdict.SUPPORTED and not effective and significance_of(judged.finding) is not None
    }
