"""What goes back to a model whose chain was judged: the claims that are not borne out, in words of no report."""

from collections.abc import Sequence

from cxr.prompts.render import answer_block, delimit, evidence_block, plan_block
from cxr.schemas import JudgedFinding, Verdict
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, Evidence, Plan
from cxr.schemas.vocabulary import ErrorAttribute

_OTHERWISE = "what there is to see says otherwise"
_WRONG: dict[ErrorAttribute | None, str] = {
    ErrorAttribute.SIDE: "the side is another one",
    ErrorAttribute.LOCATION: "the place is another one",
    ErrorAttribute.SEVERITY: "the degree is another one",
    ErrorAttribute.SIZE: "the size is another one",
    ErrorAttribute.NUMBER: "the number is another one",
    ErrorAttribute.CHANGE: "the change is another one",
    ErrorAttribute.QUALITY: "it looks otherwise",
    ErrorAttribute.CERTAINTY: "it is possible, and must not be denied",
}
_UNKNOWN = "nothing that there is to see bears it out"


def objections(judged: Sequence[JudgedFinding]) -> list[JudgedFinding]:
    """Return the findings of a judged chain that are not factual."""
    return [one for one in judged if one.factual is False]


def repair_values(
    question: Question, plan: Plan, evidence: Sequence[Evidence], chain: Chain, against: Sequence[JudgedFinding]
) -> dict[str, str]:
    """Return the values of the repair prompt's placeholders.

    A judge's own reasons are not among them: a model's may hold words of the report.
    """
    steps = "\n".join(f"{step.step_no}. {' '.join(step.text.split())}" for step in chain.steps)
    return {
        "question": question.text,
        "answer": answer_block(question),
        "plan": plan_block(plan.items),
        "evidence": evidence_block(evidence),
        "chain": delimit(steps, "CHAIN"),
        "claims": delimit("\n".join(map(_claim, against)), "CLAIMS"),
    }


def _claim(judged: JudgedFinding) -> str:
    words = " ".join(f"{judged.finding.observation}: {judged.finding.status or 'present'}".split())
    contradicted = judged.verdict is Verdict.CONTRADICTED
    return f"- {words} ({_WRONG.get(judged.error, _OTHERWISE) if contradicted else _UNKNOWN})"
