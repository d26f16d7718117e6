"""Diagnostic questions about one study (paper, section 2; CheXbench's designs)."""

from typing import Self

from pydantic import Field, model_validator

from cxr.schemas.base import Frozen
from cxr.schemas.vocabulary import Task


class Option(Frozen):
    """One lettered choice: the findings that must all be true for it to be right."""

    letter: str = Field(pattern=r"^[A-Z]$")
    findings: tuple[str, ...] = Field(min_length=1)

    @property
    def text(self) -> str:
        """The option as the question shows it, without its letter."""
        return ", ".join(finding.lower() for finding in self.findings)


class Question(Frozen):
    """A question with its true answer.

    `answer` is Yes or No for binary, the letter of the right option where there are options, and the
    comma-separated findings for anomaly; `answer_findings` are the findings that the answer says are present.
    """

    question_id: str = Field(min_length=1)
    study_id: str = Field(min_length=1)
    task: Task
    text: str = Field(min_length=1, description="the question with its options, ready for a prompt")
    findings: tuple[str, ...] = Field(min_length=1, description="every finding that the question is about")
    options: tuple[Option, ...] = ()
    answer: str = Field(min_length=1)
    answer_findings: tuple[str, ...] = ()
    prior_study_id: str | None = Field(default=None, description="temporal: the study of the reference image")

    @model_validator(mode="after")
    def _answer_fits_the_task(self) -> Self:
        letters = [option.letter for option in self.options]
        if self.task is Task.BINARY:
            if self.answer not in {"Yes", "No"}:
                raise ValueError(f"a binary question is answered Yes or No, not {self.answer!r}")
            if len(self.findings) != 1:
                raise ValueError(f"a binary question is about one finding, not {len(self.findings)}")
        if self.task in {Task.SINGLE, Task.MULTIPLE, Task.TEMPORAL} and self.answer not in letters:
            raise ValueError(f"the answer {self.answer!r} is none of the options {letters}")
        if self.task in {Task.SINGLE, Task.MULTIPLE}:
            right = self.options[letters.index(self.answer)]
            if set(right.findings) != set(self.answer_findings):
                raise ValueError(f"option {self.answer} does not hold the findings of the answer")
            if len({frozenset(option.findings) for option in self.options}) != len(self.options):
                raise ValueError("two options hold the same findings")
            if len({len(option.findings) for option in self.options}) != 1:
                raise ValueError("the options differ in size, which gives the answer away")
        if not set(self.answer_findings) <= set(self.findings):
            raise ValueError("the answer names a finding that the question is not about")
        return self

    @property
    def answer_text(self) -> str:
        """The answer in words: the option's text for a letter, else the answer itself."""
        for option in self.options:
            if option.letter == self.answer:
                return option.text
        return self.answer
