"""Questions from the reports themselves (`cxr ask --source report`), through the language layer instead of labels.

Anomaly: everything abnormal that a report names, which is more than the labels. Temporal: the changes that a report
states against the nearest earlier study of the same patient; they are stored as progressions of the labeler `rules`.
"""

import polars as pl

from cxr.miner.ask.balance import BalanceReport, downsample_sets, too_rare
from cxr.miner.ask.reading import read_reports
from cxr.miner.ask.settings import AskSettings
from cxr.miner.kit.sql import read_sql
from cxr.miner.language.labeler import LABELER
from cxr.miner.pack import pack
from cxr.miner.store import Store
from cxr.miner.store.derived import drop_questions
from cxr.schemas.vocabulary import Task

_SQL = read_sql("cxr.miner.ask")

SOURCE = "report"


def read_store(store: Store, settings: AskSettings) -> pl.DataFrame:
    """Return every report's reading beside its study, in random order; what a reading has are its columns."""
    reports = store.frame(_SQL["reports_to_read"], {"seed": settings.seed})
    readings = list(read_reports(reports["text"].to_list()))
    return reports.drop("text").with_columns(
        anomalies=pl.Series([list(reading.anomalies) for reading in readings], dtype=pl.List(pl.String)),
        concepts=pl.Series([list(reading.concepts) for reading in readings], dtype=pl.List(pl.String)),
        is_sure=pl.Series([reading.is_sure and reading.reason is None for reading in readings], dtype=pl.Boolean),
        reason=pl.Series([reading.reason for reading in readings], dtype=pl.String),
        changes=pl.Series(
            [[{"finding": finding, "progression": said} for finding, said in reading.changes] for reading in readings],
            dtype=pl.List(pl.Struct({"finding": pl.String, "progression": pl.String})),
        ),
    )


def ask_anomalies(store: Store, settings: AskSettings, readings: pl.DataFrame) -> list[BalanceReport]:
    """Add anomaly questions to the temporary table `asked`, balanced over concepts; give the balance per corpus.

    A report that hedges an abnormality, or that was not understood, has no sure answer and is not asked about.
    """
    reports = []
    usable = readings.filter(pl.col("is_sure") & (pl.col("anomalies").list.len() > 0))
    for (corpus,), part in sorted(usable.group_by("corpus", maintain_order=True), key=lambda item: str(item[0])):
        kept = downsample_sets(
            part["concepts"].to_list(), balance=settings.balance, min_positives=settings.min_positives
        )
        chosen = part[kept]
        store.replace_temporary("read_anomalies", chosen.select("study_id", "anomalies"))
        store.connection.execute(_SQL["ask_read_anomalies"], {"text": pack().questions.text(Task.ANOMALY)})
        before, after = _count(part), _count(chosen)
        rare = too_rare(before, settings.min_positives)
        reports.append(
            BalanceReport(
                corpus=str(corpus),
                task=str(Task.ANOMALY),
                before=before,
                after=after,
                too_rare=rare if settings.balance != "none" else {},
            )
        )
    return reports


def retire(store: Store, readings: pl.DataFrame) -> tuple[int, int]:
    """Delete the questions whose answer their reports no longer give; return how many, and how many chains with them.

    This happens when the reader or its pack has changed since they were asked.
    """
    store.replace_temporary("read_now", readings.select("study_id", "is_sure", "anomalies"))
    questions = chains = 0
    for query, named in ((_SQL["stale_anomalies"], {"source": SOURCE}), (_SQL["stale_changes"], {"ours": LABELER})):
        store.connection.execute(query, named)
        questions += store.count("select count(*) from stale_questions")
        with store.transaction():
            chains += drop_questions(store)
    return questions, chains


def _count(part: pl.DataFrame) -> dict[str, int]:
    counts = part.select(pl.col("concepts").explode().alias("concept")).group_by("concept").len().sort("concept")
    return {concept: count for concept, count in counts.iter_rows() if concept is not None}


def store_progressions(store: Store, settings: AskSettings, readings: pl.DataFrame) -> int:
    """Replace the progressions that our rules read before, where they differ; give how many there are now."""
    stated = (
        readings.filter(pl.col("prior_study_id").is_not_null())
        .select("study_id", "prior_study_id", "corpus", pl.col("changes").alias("change"))
        .explode("change")
        .drop_nulls("change")
        .unnest("change")
        .with_columns(labeler=pl.lit(LABELER))
    )
    store.replace_temporary("stated", stated)
    differ = store.count(_SQL["changed_progressions"], {"ours": LABELER})
    if differ:
        with store.run("ask", settings.model_dump(mode="json")) as run, store.transaction():
            store.connection.execute("delete from progressions where labeler = ?", [LABELER])
            run.rows_written = store.insert("progressions", stated.with_columns(run_id=pl.lit(run.run_id)))
    return stated.height
