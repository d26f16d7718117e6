"""The rules judge: the rubric over the language layer's findings; deterministic, offline, on a CPU."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache

from cxr.miner.judge.containment import holds
from cxr.miner.judge.entailment import Entailment
from cxr.miner.judge.facts import Facts, facts_of_report, stated
from cxr.miner.judge.grants import holds_generously, judge_generously
from cxr.miner.judge.reasons import error_of
from cxr.miner.judge.relations import load_relations
from cxr.miner.judge.structures import judge_structure
from cxr.miner.judge.understanding import understood
from cxr.miner.judge.verdicts import Outcome, combine, judge_form
from cxr.miner.judge.words import judge_by_words, word_sentences
from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.language.analysis import analyse, analyse_report
from cxr.miner.language.version import VERSION_LENGTH, reader_version
from cxr.schemas import Finding, JudgedFinding, NormalForm, Quote
from cxr.schemas.vocabulary import Licence

JUDGE = "rules"
# Beside the reader: everything in the room but who else judges, and the commands on files.
_CODE = tuple(
    f"cxr.miner.judge.{name}"
    for name in (
        "both_sides",
        "compare",
        "containment",
        "continuations",
        "facts",
        "grants",
        "qualities",
        "reasons",
        "relations",
        "rules",
        "significance",
        "structures",
        "understanding",
        "verdicts",
        "words",
    )
)


class RulesJudge:
    """Judges findings by `gold/rubric.md`, or as radiologists do, who grant more.

    It holds no state but that choice, so one serves all threads, and all that chose alike are equal.
    """

    name = JUDGE
    workers = 1
    entailment = Entailment.RUBRIC

    def __init__(self, entailment: Entailment | str = Entailment.RUBRIC) -> None:
        self.entailment = Entailment(entailment)

    @classmethod
    @contextmanager
    def open(cls, settings: object = None, books: object = None) -> Iterator["RulesJudge"]:  # noqa: ARG003
        """Open the judge, which needs no books, and of settings what it is to grant."""
        yield cls(getattr(settings, "entailment", Entailment.RUBRIC))

    @classmethod
    def code_version(cls) -> str:
        """Return what the version ends with, whatever it grants."""
        return rules_version()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RulesJudge) and type(other) is type(self) and other.entailment is self.entailment

    def __hash__(self) -> int:
        return hash((type(self), self.entailment))

    @property
    def _generous(self) -> bool:
        return self.entailment is Entailment.RADIOLOGIST

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that stand for the code of judge and reader, and every word of the pack.

        Where it grants more than the rubric, that stands before them.
        """
        return f"{self.entailment}-{rules_version()}" if self._generous else rules_version()

    def settings(self) -> dict[str, object]:
        """Return nothing: the version says it all."""
        return {}

    def bound(self, sample_id: str, licence: Licence) -> "RulesJudge":  # noqa: ARG002 - it sends nothing anywhere
        """Return the judge itself."""
        return self

    def extract(self, text: str) -> list[Finding]:
        """Return what a text asserts, in text order: each distinct statement once, where it is first made.

        A reasoning chain repeats its findings step after step; counting each repetition would weight RadRScore
        by verbosity. Two mentions are the same statement when their normal forms are equal.
        """
        seen: set[NormalForm] = set()
        findings = []
        for finding in self.mentions(text):
            (form,) = finding.normal_forms
            if form not in seen:
                seen.add(form)
                findings.append(finding)
        return findings

    def mentions(self, text: str) -> list[Finding]:
        """Return one finding for every place in a text that asserts something, in text order."""
        analysis = analyse(text)
        findings = []
        for index, form, _ in stated(analysis, load_relations()):
            finding = analysis.findings[index]
            same = finding.normal_forms == (form,)
            findings.append(finding if same else finding.model_copy(update={"normal_forms": (form,)}))
        return findings

    def verdicts(self, report: str, findings: Sequence[Finding]) -> list[JudgedFinding]:
        """Return one verdict per finding, in order; the report's analysis is cached between calls."""
        facts = report_facts(report)
        return [self._verdict(understood(finding), finding, facts, report) for finding in findings]

    def contained(self, findings: Sequence[Finding], within: Sequence[Finding]) -> list[bool]:
        """Return for each finding whether the list `within` holds it (the rubric's recall section)."""
        asked, known = [understood(item) for item in findings], [understood(item) for item in within]
        return (holds_generously if self._generous else holds)(asked, known, load_relations())

    def _verdict(self, read: Finding, given: Finding, facts: Facts, report: str) -> JudgedFinding:
        forms = read.normal_forms
        one = judge_generously if self._generous else judge_form
        if forms:
            outcome = combine([one(form, facts) for form in forms], forms)
        else:
            outcome = judge_structure(read, facts) or judge_by_words(read, word_sentences(report))
        return JudgedFinding(
            finding=given,
            verdict=outcome.verdict,
            reason=outcome.reason,
            evidence=quotes(outcome),
            extra_detail=outcome.extra_detail,
            error=error_of(outcome.verdict, outcome.reason),
        )


@cache
def rules_version() -> str:
    """Return the version of the rules judge."""
    return digest("rules judge", reader_version(), code_digest(*_CODE), length=VERSION_LENGTH)


def quotes(outcome: Outcome) -> tuple[Quote, ...]:
    """Return the report spans that decided an outcome, each once, in report order."""
    found = {fact.quote for fact in outcome.facts if fact.quote is not None}
    return tuple(sorted(found, key=lambda quote: (quote.start, quote.end)))


@lru_cache(maxsize=2048)
def report_facts(report: str) -> Facts:
    """Return what a report states outside of its history, comparison and technique; cached by text."""
    return facts_of_report(analyse_report(report), load_relations())
