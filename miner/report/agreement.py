"""How well judges agree where two of them scored the same chains, and what readers of chains said."""

import numpy as np

from cxr.miner.kit.sql import read_sql
from cxr.miner.report.parts import PageNote, PagePart, PageSection, PageTable
from cxr.miner.report.settings import FEWEST, ReportSettings
from cxr.miner.score.reviews import review_notes, review_tables
from cxr.miner.stats.agreement import kappas
from cxr.miner.stats.reliability import Drawing
from cxr.miner.stats.resampling import Floats, estimates, resampled_sums
from cxr.miner.store import Store
from cxr.schemas.vocabulary import Verdict

_SQL = read_sql("cxr.miner.report")

MOST_PAIRS = 10
MOST_OPEN = 16
"""A table with more rows starts closed."""


def agreement_section(store: Store, settings: ReportSettings) -> PageSection:
    """Return kappa for every two judges with chains in common, and the statistics of readers' reviews."""
    intro = (
        "Cohen's kappa is agreement beyond chance: 1 is full agreement, 0 what chance gives. 95 % intervals by "
        "bootstrap over patients. Readers score chains from -10 to 10 on three axes; what is below 5 is left out."
    )
    pairs = store.rows(_SQL["judge_pairs"])[:MOST_PAIRS]
    parts: list[PagePart] = []
    if pairs:
        parts += _pair_tables(store, settings, pairs)
    else:
        parts.append(
            PageNote("No two judges have scored the same chains; score with another judge, and they are compared here.")
        )
    return PageSection("agreement", "Judges and reviewers", intro, [*parts, *_review_parts(store, settings)])


def _review_parts(store: Store, settings: ReportSettings) -> list[PagePart]:
    """Return what readers said of chains, and how far they agree; long tables are folded."""
    drawing = Drawing(settings.resamples, settings.seed, fewest=FEWEST)
    tables = review_tables(store, drawing, crossed=True)
    if not tables:
        return [PageNote("No reader's review has been imported.")]
    parts: list[PagePart] = [PageTable(*one, folded=len(one.rows) > MOST_OPEN) for one in tables]
    return [*parts, *(PageNote(f"{note[:1].upper()}{note[1:]}.") for note in review_notes(store))]


def _pair_tables(
    store: Store, settings: ReportSettings, pairs: list[tuple[str, str, int, float, float, float | None]]
) -> list[PagePart]:
    rows: list[tuple[object, ...]] = []
    confusions: list[PagePart] = []
    verdicts = [str(verdict) for verdict in Verdict]
    for first, second, chains, mean_first, mean_second, correlation in pairs:
        both: dict[str, object] = {"first": first, "second": second}
        total, kappa, interval = _kappa(store, settings, _SQL["factual_cells"], both, 2)
        same = float(np.trace(total)) / chains
        finite = None if correlation is None or not np.isfinite(correlation) else correlation
        rows.append((first, second, chains, mean_first, mean_second, finite, same, kappa, interval))
        total, kappa, interval = _kappa(
            store, settings, _SQL["verdict_cells"], both | {"verdicts": verdicts}, len(verdicts)
        )
        if total.sum():
            shown = [place for place in range(len(verdicts)) if total[place].sum() + total[:, place].sum()]
            title = (
                f"{first} (rows) and {second} (columns): verdicts on {int(total.sum()):,} findings in the same words, "
                f"kappa {'undefined' if kappa is None else f'{kappa:.3f}'}" + (f" ({interval})" if interval else "")
            )
            body = [(_plain(verdicts[row]), *(int(total[row, column]) for column in shown)) for row in shown]
            columns = ("", *(_plain(verdicts[place]) for place in shown))
            confusions.append(PageTable(title, columns, tuple(body)))
    columns = (
        *("first judge", "second judge", "chains", "mean of the first", "mean of the second", "correlation"),
        *("same: factual or not", "kappa", "95 % interval"),
    )
    return [PageTable("Judges that scored the same chains", columns, tuple(rows)), *confusions]


def _kappa(
    store: Store, settings: ReportSettings, query: str, parameters: dict[str, object], labels: int
) -> tuple[Floats, float | None, str]:
    """Return the confusion table, kappa and its interval as text, from a query of cells by patient."""
    cells = store.frame(query, parameters)
    if cells.is_empty():
        return np.zeros((labels, labels)), None, ""
    patients = cells["patient"].rank("dense").to_numpy().astype(np.int64) - 1
    tables = np.zeros((patients.max() + 1, labels * labels))
    flat = cells["first"].to_numpy() * labels + cells["second"].to_numpy()
    np.add.at(tables, (patients, flat.astype(np.int64)), cells["cells"].to_numpy())
    patterns, alike = np.unique(tables, axis=0, return_counts=True)
    stream = np.random.default_rng(settings.seed)
    drawn = resampled_sums(patterns, stream, resamples=settings.resamples, alike=alike).reshape(-1, labels, labels)
    total = tables.sum(axis=0).reshape(1, labels, labels)
    (kappa,) = estimates(kappas(total), kappas(drawn)[:, None], len(tables), FEWEST)
    return total[0], kappa.value, "" if kappa.low is None else f"{kappa.low:.3f} to {kappa.high:.3f}"


def _plain(verdict: str) -> str:
    return verdict.replace("_", " ")
