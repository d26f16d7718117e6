"""Write the report of a store: prepare, ask every section, render, and put the page in place when it is whole."""

from dataclasses import dataclass
from pathlib import Path

from cxr.miner.kit.files import whole_path
from cxr.miner.report.agreement import agreement_section
from cxr.miner.report.evaluations import evaluations_section
from cxr.miner.report.examples import choose_examples
from cxr.miner.report.funnel import funnel_section, steps
from cxr.miner.report.galleries import choose_cases
from cxr.miner.report.labels import labels_section
from cxr.miner.report.page import Page, render_page
from cxr.miner.report.parts import PageNumber
from cxr.miner.report.prepare import prepare
from cxr.miner.report.quality import quality_section
from cxr.miner.report.settings import ReportSettings
from cxr.miner.report.spending import spending_section
from cxr.miner.store import Store

_WRITTEN = "select strftime(max(coalesce(ended_at, started_at)), '%Y-%m-%d %H:%M:%S') from runs"
_CORPORA = "select distinct corpus from studies where licence is distinct from 'public' order by 1"


@dataclass(frozen=True)
class ReportResult:
    """What was written: bytes, examples shown, chains whose text was left out, and credentialed texts on the page."""

    size: int
    examples: int
    withheld: int
    credentialed: int


def write_report(store: Store, target: Path, settings: ReportSettings) -> ReportResult:
    """Write the page; the same store and settings give the same bytes. Raises InputError where it cannot be written."""
    # Opened first: where nothing can be written, nothing is computed.
    with whole_path(target) as partial:
        page = _page(store, settings)
        html = render_page(page).encode()
        partial.write_bytes(html)
    return ReportResult(len(html), len(page.examples.shown), page.examples.withheld, page.credentialed)


def _page(store: Store, settings: ReportSettings) -> Page:
    """Ask every section."""
    prepare(store)
    examples = choose_examples(store, settings)
    galleries = choose_cases(store, settings)
    evaluations = evaluations_section(store)
    cases = 0 if galleries is None else galleries.credentialed
    return Page(
        store=store.path.name,
        written=store.rows(_WRITTEN)[0][0],
        numbers=_numbers(store),
        sections=(
            funnel_section(store),
            spending_section(store),
            labels_section(store),
            quality_section(store, settings),
            agreement_section(store, settings),
            *([] if evaluations is None else [evaluations]),
        ),
        examples=examples,
        galleries=galleries,
        credentialed=sum(not example.row["is_public"] for example in examples.shown) + cases,
        credentialed_corpora=tuple(corpus for (corpus,) in store.rows(_CORPORA)),
    )


def _numbers(store: Store) -> tuple[PageNumber, ...]:
    """Return the large numbers: what there is, how good it is, what it cost."""
    studies, questions, scored, factual, reviewed = steps(store)
    ((mean, reasoning_steps),) = store.rows("select avg(factuality), coalesce(sum(steps), 0) from report_chains")
    ((calls, paid, unknown),) = store.rows(
        "select count(*), coalesce(sum(cost_usd), 0), count(*) filter (where cost_usd is null) from calls"
    )
    cost = "nothing" if not calls else f"${paid:,.2f}"
    calls_hint = f"{calls:,} calls" + (f", {unknown:,} of unknown cost" if unknown else "")
    share = "" if not factual.came else f"{100 * factual.left / factual.came:.1f} % of the scored"
    return (
        PageNumber("studies", f"{studies.came:,}", f"{studies.left:,} with a question"),
        PageNumber("questions", f"{questions.came:,}", f"{questions.left:,} with a chain"),
        PageNumber("chains", f"{scored.came:,}", f"{int(reasoning_steps):,} reasoning steps"),
        PageNumber("factual chains", f"{reviewed.left:,}", share),
        PageNumber("mean factuality", "none yet" if mean is None else f"{mean:.3f}", f"{scored.left:,} chains scored"),
        PageNumber("paid to models", cost, calls_hint),
    )
