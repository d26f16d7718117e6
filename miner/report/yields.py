"""What chains cost that are factual, what was drawn for them, what second judges changed, and what repeats itself."""

from cxr.miner.kit.sql import read_sql
from cxr.miner.mine.yields import job_yields
from cxr.miner.report.parts import PageNote, PagePart, PageTable
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.report")


def yield_parts(store: Store) -> list[PagePart]:
    """Return tables and notes; none of what there is nothing of."""
    parts: list[PagePart] = []
    if jobs := job_yields(store):
        rows = [
            (
                f"{job.model}, {job.calls} calls",
                *(job.questions, job.chains, job.scored, job.factual),
                "" if job.share is None else f"{100 * job.share:.1f} %",
                job.usd,
                None if job.usd_each is None else f"{job.usd_each:.4f}",
            )
            for job in jobs
        ]
        columns = ("job", "questions", "chains", "scored", "factual", "of the questions", "USD", "USD a factual chain")
        parts.append(PageTable("What a factual chain costs", columns, tuple(rows)))
    for name, caption in (
        ("candidates", "Chains that were drawn for one question, and why they were kept or not"),
        ("second_judgements", "What second judges were asked and changed"),
    ):
        found = store.frame(_SQL[name])
        if found.height:
            parts.append(PageTable.of(caption, found))
    repeats = store.rows(_SQL["repeated_chains"])
    parts += [
        PageNote(
            f"{repeated:,} of {chains:,} chains by {engine} say nearly the words of another chain of the same job, "
            "task and answer; `cxr filter --drop-duplicates` leaves them out."
        )
        for engine, repeated, chains in repeats
        if repeated
    ]
    return parts
