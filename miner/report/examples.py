"""Example chains: a bounded number, the same every time, chosen to cover corpora, tasks and verdicts."""

from dataclasses import dataclass
from typing import Any

from cxr.miner.judge.reasons import in_plain_words
from cxr.miner.kit.sql import read_sql
from cxr.miner.report.marking import MarkedSpan, Piece, marked
from cxr.miner.report.settings import ReportSettings
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.report")

_LEFT_OUT = "select count(*) from report_chains where not is_public"

VERDICT_SIGNS = {
    "supported": "✓",
    "contradicted": "✗",
    "unmentioned_normal": "○",
    "unmentioned_abnormal": "!",
    "not_assessable": "?",
}
"""Beside its colour every verdict has a sign and its name."""


@dataclass(frozen=True)
class ShownVerdict:
    """One finding of a reasoning with its verdict."""

    words: str
    verdict: str
    sign: str
    because: str

    @classmethod
    def of(cls, observation: str, status: str, verdict: str, reason: str | None) -> "ShownVerdict":
        """Return what the page shows of a finding and what a judge said of it."""
        return cls(f"{observation}: {status}", verdict, VERDICT_SIGNS.get(verdict, "?"), in_plain_words(reason))


@dataclass(frozen=True)
class Example:
    """One reasoning as the page shows it, with its report and what the judge said of its findings."""

    row: dict[str, Any]
    report: tuple[Piece, ...]
    reasoning: tuple[Piece, ...]
    findings: tuple[ShownVerdict, ...]
    evidence: tuple[dict[str, Any], ...] = ()
    """As the store has it; `mark` names its quotes in the report."""

    @property
    def verdicts(self) -> list[str]:
        """Return the verdicts that occur, for the filter."""
        return sorted({finding.verdict for finding in self.findings})


@dataclass(frozen=True)
class Examples:
    """The examples, and how many there are that may not be shown."""

    shown: tuple[Example, ...]
    withheld: int

    def choices(self, name: str) -> list[str]:
        """Return the values of a filter that occur: finding, verdict, or a column of the rows."""
        if name == "finding":
            return sorted({finding for example in self.shown for finding in example.row["asked"]})
        if name == "verdict":
            return [verdict for verdict in VERDICT_SIGNS if any(verdict in one.verdicts for one in self.shown)]
        return sorted({str(example.row[name]) for example in self.shown})


def choose_examples(store: Store, settings: ReportSettings) -> Examples:
    """Return the examples; without `with_text` those of public corpora only."""
    store.connection.execute(_SQL["choose_examples"], {"with_text": settings.with_text, "most": settings.examples})
    by_chain: dict[str, list[dict[str, Any]]] = {}
    for finding in store.frame(_SQL["example_findings"]).iter_rows(named=True):
        by_chain.setdefault(finding["chain_id"], []).append(finding)
    shown = tuple(
        _example(row, by_chain.get(row["chain_id"], [])) for row in store.frame(_SQL["examples"]).iter_rows(named=True)
    )
    return Examples(shown, 0 if settings.with_text else store.count(_LEFT_OUT))


def _example(row: dict[str, Any], findings: list[dict[str, Any]]) -> Example:
    quotes, evidence = [], []
    for piece in row.pop("evidence"):
        mark = f"e{row['example_no']}-{piece['evidence_no']}"
        quotes += [MarkedSpan(quote["start"], quote["end"], mark) for quote in piece["quotes"]]
        evidence.append({**piece, "mark": mark})
    spans = [
        MarkedSpan(finding["start"], finding["end"], finding["verdict"])
        for finding in findings
        if finding["start"] is not None and finding["end"] is not None
    ]
    return Example(
        row=row,
        report=marked(row.pop("report") or "", quotes),
        reasoning=marked(row.pop("text"), spans),
        findings=tuple(
            ShownVerdict.of(one["observation"], one["status"], one["verdict"], one["reason"]) for one in findings
        ),
        evidence=tuple(evidence),
    )
