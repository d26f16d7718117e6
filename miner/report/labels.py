"""Labels: how often each finding is there, and what the balance of `cxr ask` made of it."""

from typing import Any

from cxr.miner.ask.ask import LABELER_PREFERENCE
from cxr.miner.charts.data import Series
from cxr.miner.charts.figures import REST, dots, shares
from cxr.miner.kit.sql import read_sql
from cxr.miner.pack import pack
from cxr.miner.report.parts import PageNote, PagePart, PageSection, PageTable
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.report")

_LABELERS = "select corpus, labeler from labels join studies using (study_id) group by all order by all"
_SHOWN_FINDINGS = 16


def labels_section(store: Store) -> PageSection:
    """Return prevalence and balance per corpus; a corpus is shown with the labeler that questions are made of."""
    parts: list[PagePart] = []
    labelers: dict[str, list[str]] = {}
    for corpus, labeler in store.rows(_LABELERS):
        labelers.setdefault(corpus, []).append(labeler)
    for number, (corpus, names) in enumerate(labelers.items(), start=1):
        parts += _corpus_parts(store, number, corpus, sorted(names, key=_preference))
    answers = store.rows(_SQL["answers"])
    if answers:
        parts.append(
            PageTable("Answers by task", ("corpus", "task", "answer", "questions"), tuple(answers), folded=True)
        )
    if not parts:
        parts.append(PageNote("The store holds no labels."))
    intro = (
        "How often each finding is labelled, and how often it is the answer of a question. Balanced sampling allows no "
        "finding of a task more than twice as often as another (paper, section 2)."
    )
    return PageSection("labels", "Labels and balance", intro, parts)


def _preference(labeler: str) -> tuple[int, str]:
    known = labeler in LABELER_PREFERENCE
    return (LABELER_PREFERENCE.index(labeler) if known else len(LABELER_PREFERENCE), labeler)


def _corpus_parts(store: Store, number: int, corpus: str, labelers: list[str]) -> list[PagePart]:
    frames = {labeler: store.frame(_SQL["prevalence"], [corpus, labeler]) for labeler in labelers}
    first = frames[labelers[0]]
    findings = first["finding"].to_list()
    kinds = ("positive", "uncertain", "negative", "not mentioned")
    parts: list[PagePart] = [
        shares(
            f"prevalence-{number}",
            f"{corpus}: labels by {labelers[0]}",
            findings,
            [Series(kind, first[kind].to_list()) for kind in kinds],
            description="Share of studies per finding: positive, uncertain, negative and not mentioned.",
            colours=(5, 1, 0, REST),
        )
    ]
    for labeler in labelers[1:]:
        frame = frames[labeler]
        parts.append(PageTable.of(f"{corpus}: labels by {labeler}", frame, folded=True))
    return [*parts, *_balance_parts(store, number, corpus, dict(zip(findings, first["positive"], strict=True)))]


def _balance_parts(store: Store, number: int, corpus: str, before: dict[str, int]) -> list[PagePart]:
    """Compare the positives among the labels with the findings that questions have as answer."""
    asked: dict[str, dict[str, int]] = {}
    for task, finding, questions in store.rows(_SQL["questions_by_finding"], [corpus, corpus]):
        asked.setdefault(task, {})[finding] = questions
    if not asked:
        return [PageNote(f"No question has been asked about {corpus} yet.")]
    askable = {finding: count for finding, count in before.items() if finding in pack().question_labels}
    rows: list[tuple[Any, ...]] = [("labels, before sampling", *_spread(askable))]
    rows += [(task, *_spread(counts)) for task, counts in sorted(asked.items())]
    findings = [finding for finding in before if any(finding in counts for counts in asked.values())][:_SHOWN_FINDINGS]
    series = [Series("positive labels", [before[finding] for finding in findings])]
    series += [Series(task, [counts.get(finding) for finding in findings]) for task, counts in sorted(asked.items())]
    parts: list[PagePart] = []
    if findings:
        parts.append(
            dots(
                f"balance-{number}",
                f"{corpus}: findings before and after sampling",
                findings,
                series,
                measure="studies or questions, logarithmic",
                description="Per finding: studies with a positive label, and questions of each task with the "
                "finding in their answer.",
                logarithmic=True,
            )
        )
    columns = ("", "findings", "most frequent", "least frequent", "ratio")
    return [*parts, PageTable(f"{corpus}: balance", columns, tuple(rows))]


def _spread(counts: dict[str, int]) -> tuple[int, str, str, float | None]:
    """Return the number of findings that occur, the most and the least frequent, and how many times more often."""
    there = sorted((count, finding) for finding, count in counts.items() if count)
    if not there:
        return 0, "", "", None
    (fewest, least), (many, most) = there[0], there[-1]
    return len(there), f"{most} {many:,}", f"{least} {fewest:,}", many / fewest
