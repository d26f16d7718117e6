"""How factual the chains are: by task, corpus, engine, judge and finding, and what the judge objected to."""

import numpy as np

from cxr.miner.audit.independent import one_reader
from cxr.miner.charts.data import Series
from cxr.miner.charts.figures import dots, shares
from cxr.miner.judge.reasons import in_plain_words
from cxr.miner.kit.sql import read_sql
from cxr.miner.report.parts import PageNote, PagePart, PageSection, PageTable, series_of
from cxr.miner.report.settings import FEWEST, ReportSettings
from cxr.miner.stats.resampling import Estimate, estimates, resampled_sums
from cxr.miner.store import Store
from cxr.schemas.measures import RADRSCORE, REASONING_MEASURES
from cxr.schemas.vocabulary import Verdict

_SQL = read_sql("cxr.miner.report")

MOST_GROUPS = 20

_GROUPINGS: tuple[tuple[str, str, str], ...] = (
    ("corpus", "report_chains", ""),
    ("engine", "report_chains", ""),
    ("judge", "report_chains_by_judge", "Each judge with all the chains that it scored."),
    ("finding", "report_chains_by_finding", "A chain counts for each finding asked about."),
)


def quality_section(store: Store, settings: ReportSettings) -> PageSection:
    """Return means with intervals over patients, and verdicts with their reasons."""
    intro = (
        "Factuality is the share of a chain's findings that the report supports; the other measures compare the chain "
        "with its own evidence. Means over chains by their latest score, with 95 % intervals by bootstrap over "
        "patients. The axes do not begin at zero."
    )
    if not store.count("select count(*) from report_chains where factuality is not null"):
        note = PageNote("No chain is scored yet; `cxr score` scores them.")
        return PageSection("factuality", "Factuality", intro, [note])
    parts: list[PagePart] = [_by_task(store, settings)]
    if shared := one_reader(store):
        parts.append(PageNote(f"{shared[:1].upper()}{shared[1:]}."))
    single: list[str] = []
    for key, source, remark in _GROUPINGS:
        rows = grouped_means(store, settings, key, source, "factuality")
        if len(rows) > 1:
            parts.append(_group_picture(key, rows, remark))
        elif rows:
            single.append(f"{key} {rows[0][0]}")
    if single:
        parts.append(PageNote(f"There is one group only of {', '.join(single)}: the means above are theirs."))
    return PageSection("factuality", "Factuality", intro, [*parts, *_verdict_parts(store)])


def _by_task(store: Store, settings: ReportSettings) -> PagePart:
    means: dict[str, dict[str, Estimate]] = {}
    counts: dict[str, int] = {}
    for measure in REASONING_MEASURES:
        for task, chains, mean in grouped_means(store, settings, "task", "report_chains", measure):
            means.setdefault(task, {})[measure] = mean
            counts[task] = chains
    tasks = sorted(means)
    series = [
        series_of("RadRScore" if measure == RADRSCORE else measure, [means[task][measure] for task in tasks])
        for measure in REASONING_MEASURES
    ]
    return dots(
        "quality-task",
        "RadRScore and its parts by task",
        [f"{task} ({counts[task]:,})" for task in tasks],
        series,
        measure="mean over chains",
        description="One row per task, a mark per measure, a line for its 95 % interval.",
    )


_Group = tuple[str, int, Estimate]


def _group_picture(name: str, rows: list[_Group], remark: str) -> PagePart:
    title = f"Factuality by {name}"
    shown = sorted(rows, key=lambda row: (-row[1], row[0]))[:MOST_GROUPS]
    shown.sort(key=lambda row: (row[2].value or 0.0, row[0]))
    left_out = len(rows) - len(shown)
    more = f" The {left_out} groups with the fewest chains are left out." if left_out else ""
    return dots(
        f"quality-{name}",
        title,
        [f"{group} ({chains:,})" for group, chains, _ in shown],
        [series_of("factuality", [mean for *_, mean in shown])],
        measure="mean factuality",
        description=f"{title}, the lowest first; in brackets the number of chains. {remark}{more}".strip(),
    )


def grouped_means(store: Store, settings: ReportSettings, key: str, source: str, measure: str) -> list[_Group]:
    """Return (group, chains, mean with interval) of a measure, by group name.

    The bootstrap sees each distinct patient (sum and number of scores, to four decimals) once, with its count.
    """
    frame = store.frame(_SQL["means_by_group"], {"key": key, "source": source, "measure": measure})
    made = []
    for (group,), part in frame.group_by("group", maintain_order=True):
        size, patients = part["size"].to_numpy(), part["patients"].to_numpy()
        chains = int((size * patients).sum())
        patterns = np.column_stack([part["total"].to_numpy(), size]).astype(np.float64)
        stream = np.random.default_rng(settings.seed)
        sums = resampled_sums(patterns, stream, resamples=settings.resamples, alike=patients)
        mean = np.array([part["exact"].sum() / chains])
        made.append((str(group), chains, estimates(mean, sums[:, :1] / sums[:, 1:], int(patients.sum()), FEWEST)[0]))
    return made


def _verdict_parts(store: Store) -> list[PagePart]:
    """Return what the judge found, by task and reason, and the concepts that chains get wrong most often."""
    by_task = store.rows(
        "select task, histogram(verdict) from report_verdicts join report_chains using (chain_id) group by 1 order by 1"
    )
    if not by_task:
        return []
    series = [
        Series(verdict.replace("_", " "), [counts.get(verdict, 0) for _, counts in by_task]) for verdict in Verdict
    ]
    parts: list[PagePart] = [
        shares(
            "verdicts-task",
            "Verdicts on the findings of chains, by task",
            [task for task, _ in by_task],
            series,
            description="Share of each of the five verdicts per task.",
            colours=VERDICT_COLOURS,
        )
    ]
    reasons = [
        (verdict, in_plain_words(reason), str(reason or "").replace("_", " "), findings, chains)
        for verdict, reason, findings, chains in store.rows(_SQL["verdict_reasons"])
    ]
    heads = ("verdict", "because", "reason", "findings", "chains")
    parts.append(PageTable("Why: the judge's reasons", heads, tuple(reasons), folded=True))
    if attributes := store.rows(_SQL["wrong_attributes"]):
        parts.append(PageTable("In what findings are wrong", ("error", "findings", "chains"), tuple(attributes)))
    concepts = [
        (*counted, *(verdicts.get(verdict, 0) for verdict in Verdict))
        for *counted, verdicts in store.rows(_SQL["wrong_concepts"])
    ]
    if concepts:
        names = ("concept", "findings", "wrong", *(verdict.replace("_", " ") for verdict in Verdict))
        parts.append(PageTable("Concepts that chains get wrong most often", names, tuple(concepts)))
    return parts


VERDICT_COLOURS = (2, 5, 4, 1, 3)
"""Places in the palette: green, vermillion, sky blue, orange, purple."""
