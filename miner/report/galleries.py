"""Error galleries: wrong answers with good reasoning, and right answers with wrong reasoning."""

import re
from dataclasses import dataclass
from typing import Any

from cxr.miner.judge import RulesJudge
from cxr.miner.report.examples import Example, Examples, ShownVerdict
from cxr.miner.report.marking import MarkedSpan, marked
from cxr.miner.report.parts import PageTable
from cxr.miner.report.settings import ReportSettings
from cxr.miner.store import Store

GOOD, WRONG = 0.8, 0.5
"""Reasoning is good from this factuality on, and wrong below that."""
MOST_OF_A_KIND = 12
WRONG_ANSWER, RIGHT_ANSWER = "wrong answer, good reasoning", "right answer, wrong reasoning"

_THINK = re.compile(r"<\s*think\s*>(.*?)(?:<\s*/\s*think\s*>|$)", re.IGNORECASE | re.DOTALL)

# Each prediction by its latest judge. A prediction for a question that the store does not know is not known to be
# public either.
_CASES = f"""
    create or replace temporary table report_cases as
    with latest as (
        select prediction_scores.* from prediction_scores left join runs using (run_id)
        where factuality is not null and correct is not null and n_pred > 0
        qualify row_number() over (
            partition by prediction_id order by runs.started_at desc, judge, judge_version desc) = 1)
    select latest.*, questions.study_id, questions.text as question, questions.answer as expected,
           questions.findings as asked,
           coalesce(studies.licence = 'public' and coalesce(prior.licence, 'public') = 'public', false) as is_public,
           case when correct < 1 and latest.factuality >= {GOOD} then '{WRONG_ANSWER}'
                when correct >= 1 and latest.factuality < {WRONG} then '{RIGHT_ANSWER}' end as kind
    from latest left join questions using (question_id)
    left join studies on studies.study_id = questions.study_id
    left join studies as prior on prior.study_id = questions.prior_study_id
"""
_TABLE = f"""
    select model, count(*) as "answers with reasoning",
           count(*) filter (where correct >= 1 and factuality >= {WRONG}) as "right, reasoned rightly",
           count(*) filter (where correct >= 1 and factuality < {WRONG}) as "right, reasoned wrongly",
           count(*) filter (where correct < 1 and factuality >= {GOOD}) as "wrong, reasoned well",
           count(*) filter (where correct < 1 and factuality < {GOOD}) as "wrong, reasoned less well"
    from report_cases group by model order by model
"""
_CHOSEN = """
    with placed as (
        select *, row_number() over (partition by kind, model, task
                                     order by if(correct < 1, -factuality, factuality), n_correct - n_pred,
                                              md5(prediction_id)) as place
        from report_cases where kind is not null and (is_public or $with_text)),
    numbered as (
        select *, row_number() over (partition by kind order by place, task, model) as number from placed)
    select numbered.kind, numbered.model, numbered.task, numbered.corpus, numbered.study_id, numbered.prediction_id,
           numbered.question, numbered.expected, numbered.answer, numbered.judge, numbered.judge_version,
           numbered.factuality, numbered.completeness, numbered.effectiveness, numbered.radrscore, numbered.asked,
           numbered.is_public, predictions.text as said, reports.text as report
    from numbered join (select prediction_id, any_value(text) as text from predictions group by 1) as predictions
         using (prediction_id)
    left join reports on reports.study_id = numbered.study_id
    where number <= $most order by numbered.kind desc, number
"""


@dataclass(frozen=True)
class Galleries(Examples):
    """Predictions as examples, how often each kind occurs, and how many credentialed ones are among those shown."""

    counts: PageTable
    credentialed: int


def choose_cases(store: Store, settings: ReportSettings) -> Galleries | None:
    """Return the galleries, the same every time; None for a store in which no answer was judged with its reasoning."""
    store.connection.execute(_CASES)
    counts = store.frame(_TABLE)
    if counts.is_empty():
        return None
    most = min(MOST_OF_A_KIND, settings.examples)
    rows = store.frame(_CHOSEN, {"with_text": settings.with_text, "most": most}).to_dicts()
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
