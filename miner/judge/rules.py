"""The rules judge: the rubric over the language layer's findings; deterministic, offline, on a CPU."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context

from cxr.miner.judge.containment import holds
from cxr.miner.judge.facts import Facts, facts_of_report, stated
from cxr.miner.judge.relations import load_relations
from cxr.miner.judge.understanding import understood
from cxr.miner.judge.verdicts import Outcome, combine, judge_form
from cxr.miner.judge.words import judge_by_words, word_sentences
from cxr.miner.language import analyse
from cxr.miner.language.lexicon import DATA
from cxr.schemas import Finding, JudgedFinding, NormalForm, Quote

JUDGE = "rules"
JUDGE_VERSION = "1"
"""Of the code; what stands beside scores is `RulesJudge.version`, which knows the lexicon too."""


class RulesJudge:
    """Judges findings by `gold/rubric.md`; holds no state of its own, so one instance serves all threads."""

    name = JUDGE

    @property
    def version(self) -> str:
        """The code's version and a digest of the lexicon: an edited synonym may change a verdict."""
        return f"{JUDGE_VERSION}-{lexicon_digest()}"

    def extract(self, text: str) -> list[Finding]:
        """Give what a text asserts, in text order: each distinct statement once, where it is first made.

        A reasoning chain repeats its findings step after step; counting each repetition would weight RadRScore
        by verbosity. Two mentions are the same statement when their normal forms are equal.
        """
        analysis = analyse(text)
        seen: set[NormalForm] = set()
        findings = []
        for index, form, _ in stated(analysis, load_relations()):
            if form in seen:
                continue
            seen.add(form)
            finding = analysis.findings[index]
            same = finding.normal_forms == (form,)
            findings.append(finding if same else finding.model_copy(update={"normal_forms": (form,)}))
        return findings

    def verdicts(self, report: str, findings: Sequence[Finding]) -> list[JudgedFinding]:
        """Give one verdict per finding, in order; the report's analysis is cached between calls."""
        facts = report_facts(report)
        return [self._verdict(understood(finding), finding, facts, report) for finding in findings]

    def contained(self, findings: Sequence[Finding], within: Sequence[Finding]) -> list[bool]:
        """Say of each finding whether the list `within` holds it (the rubric's recall section)."""
        return holds([understood(item) for item in findings], [understood(item) for item in within], load_relations())

    def verdicts_batch(
        self, reports: Sequence[str], findings: Sequence[Sequence[Finding]], *, processes: int = 1
    ) -> list[list[JudgedFinding]]:
        """Judge many lists, each against its report; `processes` above 1 uses that many cores.

        The worker processes start with the first such call and are kept for the next one, so that a trainer which
        judges every step pays for them once. Raises ValueError when there are not as many reports as lists.
        """
        if len(reports) != len(findings):
            raise ValueError(
                f"there are {len(reports)} reports and {len(findings)} lists of findings; give one list per report"
            )
        if processes <= 1:
            return [self.verdicts(report, items) for report, items in zip(reports, findings, strict=True)]
        # Chunks large enough that starting a task costs little beside judging it.
        chunk = max(1, len(reports) // (processes * 4))
        return list(_workers(processes).map(_verdicts_of_pair, reports, findings, chunksize=chunk))

    def _verdict(self, read: Finding, given: Finding, facts: Facts, report: str) -> JudgedFinding:
        forms = read.normal_forms
        if forms:
            outcome = combine([judge_form(form, facts) for form in forms], forms)
        else:
            outcome = judge_by_words(read, word_sentences(report))
        return JudgedFinding(
            finding=given,
            verdict=outcome.verdict,
            reason=outcome.reason,
            evidence=quotes(outcome),
            extra_detail=outcome.extra_detail,
        )


def quotes(outcome: Outcome) -> tuple[Quote, ...]:
    """Give the report spans that decided an outcome, each once, in report order."""
    found = {fact.quote for fact in outcome.facts if fact.quote is not None}
    return tuple(sorted(found, key=lambda quote: (quote.start, quote.end)))


@lru_cache(maxsize=1)
def lexicon_digest() -> str:
    """Give eight hexadecimal digits that stand for the contents of all lexicon files."""
    content = hashlib.sha256()
    for path in sorted(DATA.glob("*.toml")):
        content.update(path.name.encode())
        content.update(path.read_bytes())
    return content.hexdigest()[:8]


@lru_cache(maxsize=2048)
def report_facts(report: str) -> Facts:
    """Give what a report states outside of its history, comparison and technique; cached by text."""
    return facts_of_report(analyse(report), load_relations())


@lru_cache(maxsize=1)
def _workers(processes: int) -> ProcessPoolExecutor:
    """Start worker processes; spawned, not forked, because the caller may hold threads and a GPU."""
    return ProcessPoolExecutor(processes, mp_context=get_context("spawn"))


def _verdicts_of_pair(report: str, findings: Sequence[Finding]) -> list[JudgedFinding]:
    """Judge one list in a worker process."""
    return RulesJudge().verdicts(report, findings)
