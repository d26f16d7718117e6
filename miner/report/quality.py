"""How factual the chains are: by task, corpus, engine, judge and finding, and what the judge objected to."""

import numpy as np

from cxr.miner.charts.data import Series
from cxr.miner.charts.figures import dots, shares
from cxr.miner.judge.reasons import in_plain_words
from cxr.miner.report.parts import PageNote, PagePart, PageSection, PageTable, series_of
from cxr.miner.report.settings import FEWEST, ReportSettings
from cxr.miner.stats.resampling import Estimate, estimates, resampled_sums
from cxr.miner.store import Store
from cxr.schemas.measures import RADRSCORE, REASONING_MEASURES
from cxr.schemas.vocabulary import Verdict

MOST_GROUPS = 20

_BY_JUDGE = """
    (select report_chains.* replace (concat_ws(' ', scores.judge, scores.judge_version) as judge,
            scores.factuality as factuality)
     from report_chains join scores using (chain_id))
"""
# A chain counts for every finding that its question asks about.
_BY_FINDING = "(select report_chains.*, unnest(asked) as finding from report_chains)"

_GROUPINGS: tuple[tuple[str, str, str, str], ...] = (
    ("corpus", "report_chains", "Factuality by corpus", ""),
    ("engine", "report_chains", "Factuality by engine", ""),
    ("judge", _BY_JUDGE, "Factuality by judge", "Each judge with all the chains that it scored."),
    ("finding", _BY_FINDING, "Factuality by finding", "A chain counts for each finding asked about."),
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
    single: list[str] = []
    for key, source, title, remark in _GROUPINGS:
        rows = grouped_means(store, settings, key, source, "factuality")
        if len(rows) > 1:
            parts.append(_group_picture(key, rows, title, remark))
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


def _group_picture(name: str, rows: list[_Group], title: str, remark: str) -> PagePart:
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
    frame = store.frame(
        f"""
        with patients as (
            select {key} as "group", patient, sum({measure}) as total, count({measure}) as size
            from {source} where {measure} is not null group by all)
        select coalesce("group", '(unknown)') as "group", round(total, 4) as total, size, count(*) as patients,
               sum(total) as exact
        from patients group by all order by all
        """
    )
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


_BY_CONCEPT = """
    select replace(concept, '_', ' ') as concept, count(*) as findings,
           count(*) filter (where factual = false) as wrong, {columns}
    from report_verdicts group by concept having wrong > 0 order by wrong desc, findings desc, concept limit 15
"""
_REASONS = """
    select replace(verdict, '_', ' ') as verdict, reason, count(*) as findings, count(distinct chain_id) as chains
    from report_verdicts group by all order by findings desc, verdict, reason
"""


def _verdict_parts(store: Store) -> list[PagePart]:
    """Return what the judge found, by task and reason, and the concepts that chains get wrong most often."""
    columns = ", ".join(f"count(*) filter (where verdict = '{verdict}') as \"{verdict}\"" for verdict in Verdict)
    by_task = store.frame(
        f"select task, {columns} from report_verdicts join report_chains using (chain_id) group by task order by task"
    )
    if by_task.is_empty():
        return []
    series = [Series(verdict.replace("_", " "), by_task[verdict].to_list()) for verdict in Verdict]
    parts: list[PagePart] = [
        shares(
            "verdicts-task",
            "Verdicts on the findings of chains, by task",
            by_task["task"].to_list(),
            series,
            description="Share of each of the five verdicts per task.",
            colours=VERDICT_COLOURS,
        )
    ]
    reasons = [
        (verdict, in_plain_words(reason), str(reason or "").replace("_", " "), findings, chains)
        for verdict, reason, findings, chains in store.rows(_REASONS)
    ]
    heads = ("verdict", "because", "reason", "findings", "chains")
    parts.append(PageTable("Why: the judge's reasons", heads, tuple(reasons), folded=True))
    concepts = store.frame(_BY_CONCEPT.format(columns=columns))
    if concepts.height:
        names = tuple(name.replace("_", " ") for name in concepts.columns)
        parts.append(PageTable("Concepts that chains get wrong most often", names, tuple(concepts.rows())))
    return parts


VERDICT_COLOURS = (2, 5, 4, 1, 3)
"""Places in the palette: green, vermillion, sky blue, orange, purple."""
