"""The mining funnel: how many studies, questions and chains there are at each step, and where the others went."""

from dataclasses import dataclass

from cxr.miner.charts.figures import lengths
from cxr.miner.kit.sql import read_sql
from cxr.miner.report.parts import PageNote, PagePart, PageSection, PageTable
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.report")


@dataclass(frozen=True)
class Step:
    """Things of one kind: how many came in, how many were lost by which reason, how many are left."""

    name: str
    came: int
    losses: tuple[tuple[str, int], ...]
    left: int


_STEPS = ("studies", "questions", "chains", "scored chains", "factual chains")


def steps(store: Store) -> tuple[Step, ...]:
    """Return the steps of the funnel; in each, what came is what was lost and what is left."""
    made = []
    for name in _STEPS:
        lost = store.rows(_SQL[f"lost_{name.replace(' ', '_')}"])
        counted = [(str(reason), int(number)) for reason, number in lost]
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
    rejected = store.rows(_SQL["rejected_rows"])
    if rejected:
        parts.append(
            PageTable("Rows of the corpora that no study was made of", ("corpus", "reason", "rows"), tuple(rejected))
        )
    by_corpus = store.frame(_SQL["funnel_by_corpus"])
    if by_corpus.height:
        parts.append(PageTable.of("By corpus", by_corpus))
    intro = (
        "A study gives questions, a question gives a chain, and a chain is kept if the report supports all of it and "
        "no radiologist objects. At each step, what came in is what was lost and what is left."
    )
    return PageSection("funnel", "The mining funnel", intro, parts)
