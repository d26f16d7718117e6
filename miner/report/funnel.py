"""The mining funnel: how many studies, questions and chains there are at each step, and where the others went."""

from dataclasses import dataclass

from cxr.miner.charts.figures import lengths
from cxr.miner.report.parts import PageNote, PagePart, PageSection, PageTable
from cxr.miner.store import Store


@dataclass(frozen=True)
class Step:
    """Things of one kind: how many came in, how many were lost by which reason, how many are left."""

    name: str
    came: int
    losses: tuple[tuple[str, int], ...]
    left: int


_STUDIES = """
    select case when asked.study_id is not null then '' when reports.study_id is null then 'no report and no question'
                else 'no question asked: labels or balance gave none' end as reason, count(*) as studies
    from studies left join (select distinct study_id from questions) as asked using (study_id)
    left join reports using (study_id) group by all
"""
# A question that several engines rejected is counted once, by the reason of the latest.
_QUESTIONS = """
    with rejected as (
        select reject_key as question_id, arg_max(reason, coalesce(started_at, timestamp '1970-01-01')) as reason
        from rejects left join runs using (run_id) where stage = 'mine' group by reject_key)
    select case when mined.question_id is not null then ''
                when reports.study_id is null then 'answer only: the study has no report'
                when rejected.reason is not null then 'rejected: ' || replace(rejected.reason, '_', ' ')
                else 'not mined yet' end as reason, count(*) as questions
    from questions left join (select distinct question_id from newest_chains) as mined using (question_id)
    left join reports using (study_id) left join rejected using (question_id) group by all
"""
_SCORED = """
    with rejected as (
        select reject_key as chain_id, any_value(reason) as reason from rejects where stage = 'score' group by all)
    select case when factuality is not null then ''
                when reason is not null then 'rejected: ' || replace(reason, '_', ' ')
                else 'not scored yet' end as reason, count(*) as chains
    from report_chains left join rejected using (chain_id) group by all
"""
_FACTUAL = """
    select case when factuality >= 1 then ''
                when is_contradicted then 'factuality below 1: the report contradicts a finding'
                when is_unmentioned then 'factuality below 1: something abnormal that the report does not mention'
                when n_findings = 0 then 'factuality 0: the chain states no finding'
                else 'factuality below 1' end as reason, count(*) as chains
    from report_chains where factuality is not null group by all
"""
_REVIEWED = """
    select if(is_well_reviewed = false, 'a radiologist gave less than 5 on an axis', '') as reason, count(*) as chains
    from report_chains where factuality >= 1 group by all
"""
_PLAN = (
    ("studies", _STUDIES),
    ("questions", _QUESTIONS),
    ("chains", _SCORED),
    ("scored chains", _FACTUAL),
    ("factual chains", _REVIEWED),
)
_REJECTED_ROWS = """
    select corpus, replace(reason, '_', ' ') as reason, count(*) as rows from rejects where stage = 'ingest'
    group by all order by rows desc, corpus, reason
"""
_BY_CORPUS = """
    with of_studies as (
        select corpus, any_value(licence) as licence, count(*) as studies, count(reports.study_id) as reports
        from studies left join reports using (study_id) group by corpus),
    of_questions as (select corpus, count(*) as questions from questions group by corpus),
    of_chains as (
        select corpus, count(*) as chains, count(factuality) as scored, count(*) filter (where factuality >= 1)
               as factual, count(*) filter (where factuality >= 1 and is_well_reviewed is distinct from false) as kept
        from report_chains group by corpus)
    select corpus, licence, studies, reports, coalesce(questions, 0) as questions, coalesce(chains, 0) as chains,
           coalesce(scored, 0) as scored, coalesce(factual, 0) as factual, coalesce(kept, 0) as "after review"
    from of_studies left join of_questions using (corpus) left join of_chains using (corpus) order by corpus
"""


def steps(store: Store) -> tuple[Step, ...]:
    """Return the steps of the funnel; in each, what came is what was lost and what is left."""
    made = []
    for name, query in _PLAN:
        counted = [(str(reason), int(number)) for reason, number in store.rows(query)]
        losses = sorted(((reason, n) for reason, n in counted if reason), key=lambda item: (-item[1], item[0]))
        left = sum(number for reason, number in counted if not reason)
        made.append(Step(name, sum(n for _, n in counted), tuple(losses), left))
    return tuple(made)


def funnel_section(store: Store) -> PageSection:
    """Return the funnel as a chart, and what was lost where."""
    made = steps(store)
    studies, questions, scored, factual, reviewed = made
    rows = [
        ("studies", studies.came, 0),
        ("studies with a question", studies.left, 0),
        ("questions", questions.came, 1),
        ("questions with a chain", questions.left, 1),
        ("chains", scored.came, 2),
        ("scored chains", scored.left, 2),
        ("factual chains", factual.left, 2),
        ("factual, after review", reviewed.left, 2),
    ]
    losses = [
        (step.name, reason, number, f"{100 * number / step.came:.1f} %")
        for step in made
        for reason, number in step.losses
    ]
    parts: list[PagePart] = [
        lengths(
            "funnel",
            "From studies to factual chains",
            rows,
            measure="how many",
            description="One bar per step: "
            + ", ".join(f"{label} {value:,}" for label, value, _ in rows)
            + ". Studies, questions and chains differ by hatch.",
        ),
        PageTable("Every loss, and why", ("of", "reason", "how many", "share"), tuple(losses))
        if losses
        else PageNote("Nothing was lost on the way."),
    ]
    if scored.came > questions.left:
        parts.append(
            PageNote(f"{questions.left:,} questions have {scored.came:,} chains, because several engines mined them.")
        )
    rejected = store.rows(_REJECTED_ROWS)
    if rejected:
        parts.append(
            PageTable("Rows of the corpora that no study was made of", ("corpus", "reason", "rows"), tuple(rejected))
        )
    by_corpus = store.frame(_BY_CORPUS)
    if by_corpus.height:
        parts.append(PageTable.of("By corpus", by_corpus))
    intro = (
        "A study gives questions, a question gives a chain, and a chain is kept if the report supports all of it and "
        "no radiologist objects. At each step, what came in is what was lost and what is left."
    )
    return PageSection("funnel", "The mining funnel", intro, parts)
