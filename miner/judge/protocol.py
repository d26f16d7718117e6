"""What every judge can do, whoever answers: rules on a CPU, a language model, or somebody's own."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from cxr.schemas import Finding, JudgedFinding
from cxr.schemas.vocabulary import Licence


class Judge(Protocol):
    """Answers the three questions of RadRScore (paper, section 2): extract, support, contain.

    A judge raises MiningReject where it gives no usable answer.
    """

    @property
    def name(self) -> str:
        """The judge's name as it stands beside every score, e.g. `rules`."""

    @property
    def version(self) -> str:
        """Changes whenever a verdict may change."""

    @property
    def workers(self) -> int:
        """How many threads may ask at once. 1 says that it computes: it is then also sent to worker processes."""

    def settings(self) -> Mapping[str, object]:
        """Return what is kept with a run beside name and version."""

    def bound(self, sample_id: str, licence: Licence) -> "Judge":
        """Return the judge for one record: what it sends anywhere carries this id and goes where the licence allows."""

    def extract(self, text: str) -> list[Finding]:
        """Return the findings that a text asserts, in text order, each with its span in the text."""

    def verdicts(self, report: str, findings: Sequence[Finding]) -> list[JudgedFinding]:
        """Return one verdict per finding, in order, with evidence quoted from the report."""

    def contained(self, findings: Sequence[Finding], within: Sequence[Finding]) -> list[bool]:
        """Return for each finding, in order, whether the list `within` holds it (the rubric's recall)."""


@runtime_checkable
class Marks(Protocol):
    """A judge that can mark in a text every place where something is asserted, repeated or not."""

    def mentions(self, text: str) -> list[Finding]:
        """Return one finding for every place in a text that asserts something, in text order."""


class AskedAhead(NamedTuple):
    """Texts that will be judged against one report, and what a request about them carries."""

    report: str
    texts: tuple[str, ...]
    sample_id: str
    licence: Licence


@runtime_checkable
class AsksAhead(Protocol):
    """A judge that can ask about several texts of one report at once, and tell what it asked."""

    def ahead(self, asked: Sequence[AskedAhead]) -> None:
        """Ask what the verdicts on these texts will need; raises what ends every judging."""

    def told(self) -> str:
        """Return what was asked and changed so far, as a sentence for people; empty where nothing was judged."""
