"""What every judge can do, whoever answers: rules on a CPU or a language model."""

from collections.abc import Sequence
from typing import Protocol

from cxr.schemas import Finding, JudgedFinding


class Judge(Protocol):
    """Answers the three questions of RadRScore (paper, section 2): extract, support, contain."""

    @property
    def name(self) -> str:
        """The judge's name as it stands beside every score, e.g. `rules`."""

    @property
    def version(self) -> str:
        """Changes whenever a verdict may change."""

    def extract(self, text: str) -> list[Finding]:
        """Give the findings that a text asserts, in text order, each with its span in the text."""

    def verdicts(self, report: str, findings: Sequence[Finding]) -> list[JudgedFinding]:
        """Give one verdict per finding, in order, with evidence quoted from the report."""

    def contained(self, findings: Sequence[Finding], within: Sequence[Finding]) -> list[bool]:
        """Say of each finding, in order, whether the list `within` holds it (the rubric's recall)."""
