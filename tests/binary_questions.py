"""Binary questions as `cxr ask` words them."""

from cxr.schemas.question import Question
from cxr.schemas.vocabulary import Task


def binary(finding: str, answer: str, question_id: str | None = None) -> Question:
    """Give a question about one finding, and what its answer is to be."""
    return Question(
        question_id=f"{finding}-{answer}" if question_id is None else question_id,
        study_id="test/1",
        task=Task.BINARY,
        text=f"Does this chest X-ray show {finding.lower()}?",
        findings=(finding,),
        answer=answer,
        answer_findings=(finding,) if answer == "Yes" else (),
    )
