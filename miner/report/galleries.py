"""Error galleries: wrong answers with good reasoning, and right answers with wrong reasoning."""

import re
from dataclasses import dataclass
from typing import Any

from cxr.miner.judge import RulesJudge
from cxr.miner.kit.sql import read_sql
from cxr.miner.report.examples import Example, Examples, ShownVerdict
from cxr.miner.report.marking import MarkedSpan, marked
from cxr.miner.report.parts import PageTable
from cxr.miner.report.settings import ReportSettings
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.report")

GOOD, WRONG = 0.8, 0.5
"""Reasoning is good from this factuality on, and wrong below that."""
MOST_OF_A_KIND = 12
WRONG_ANSWER, RIGHT_ANSWER = "wrong answer, good reasoning", "right answer, wrong reasoning"

_THINK = re.compile(r"<\s*think\s*>(.*?)(?:<\s*/\s*think\s*>|$)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Galleries(Examples):
    """Predictions as examples, how often each kind occurs, and how many credentialed ones are among those shown."""

    counts: PageTable
    credentialed: int


def choose_cases(store: Store, settings: ReportSettings) -> Galleries | None:
    """Return the galleries, the same every time; None for a store in which no answer was judged with its reasoning."""
    bounds = {"good": GOOD, "wrong": WRONG}
    kinds = {"wrong_answer": WRONG_ANSWER, "right_answer": RIGHT_ANSWER}
    store.connection.execute(_SQL["judge_cases"], bounds | kinds)
    counts = store.frame(_SQL["cases_by_model"], bounds)
    if counts.is_empty():
        return None
    most = min(MOST_OF_A_KIND, settings.examples)
    rows = store.frame(_SQL["chosen_cases"], {"with_text": settings.with_text, "most": most}).to_dicts()
    judge = RulesJudge()
    cases = tuple(_case(row, judge) for row in rows)
    secret = store.count("select count(*) from report_cases where kind is not null and not is_public")
    return Galleries(
        cases,
        0 if settings.with_text else secret,
        PageTable.of("Answers and reasoning", counts),
        sum(not case.row["is_public"] for case in cases),
    )


def _case(row: dict[str, Any], judge: RulesJudge) -> Example:
    """Mark what the rules judge finds in a reasoning, where it was that judge who scored it."""
    said, report = str(row.pop("said") or ""), str(row.pop("report") or "")
    reasoning = _THINK.search(said)
    if reasoning is None or (row["judge"], row["judge_version"]) != (judge.name, judge.version):
        return Example(row, marked(report, ()), marked(said, ()), ())
    begin = reasoning.start(1)
    judged = judge.verdicts(report, judge.extract(reasoning.group(1)))
    findings = tuple(
        ShownVerdict.of(one.finding.observation, one.finding.status, str(one.verdict), one.reason) for one in judged
    )
    spans = [
        MarkedSpan(begin + one.finding.span.start, begin + one.finding.span.end, str(one.verdict))
        for one in judged
        if one.finding.span is not None
    ]
    quotes = [MarkedSpan(quote.start, quote.end, str(one.verdict)) for one in judged for quote in one.evidence]
    return Example(row, marked(report, quotes), marked(said, spans), findings)
