"""Questions from the reports themselves (`cxr ask --source report`), through the language layer instead of labels.

Anomaly: everything abnormal that a report names, which is more than the labels. Temporal: the changes that a report
states against the nearest earlier study of the same patient; they are stored as progressions of the labeler `rules`.
"""

import polars as pl

from cxr.miner.ask.balance import BalanceReport, downsample_sets, too_rare
from cxr.miner.ask.reading import read_reports
from cxr.miner.ask.settings import AskSettings
from cxr.miner.language.labeler import LABELER
from cxr.miner.pack import pack
from cxr.miner.store import Store
from cxr.miner.store.derived import drop_questions
from cxr.schemas.vocabulary import Task

SOURCE = "report"

_READ = """
    select study_id, corpus, split, text, prior_study_id from reports join studies using (study_id)
    left join (select study_id, prior_study_id from priors) as priors using (study_id)
    order by md5_number_lower(concat_ws('|', 'report', $seed::varchar, study_id))
"""
_ANOMALY = """
    insert into asked
    select study_id, 'anomaly' as task, anomalies as findings, $text as text,
           [] as options, array_to_string(anomalies, ', ') as answer, anomalies as answer_findings
    from read_anomalies
"""


def read_store(store: Store, settings: AskSettings) -> pl.DataFrame:
    """Return every report's reading beside its study, in random order: anomalies, concepts, is_sure, changes."""
    reports = store.frame(_READ, {"seed": settings.seed})
    readings = list(read_reports(reports["text"].to_list()))
    return reports.drop("text").with_columns(
        anomalies=pl.Series([list(reading.anomalies) for reading in readings], dtype=pl.List(pl.String)),
        concepts=pl.Series([list(reading.concepts) for reading in readings], dtype=pl.List(pl.String)),
        is_sure=pl.Series([reading.is_sure for reading in readings], dtype=pl.Boolean),
        changes=pl.Series(
            [[{"finding": finding, "progression": said} for finding, said in reading.changes] for reading in readings],
            dtype=pl.List(pl.Struct({"finding": pl.String, "progression": pl.String})),
        ),
    )


def ask_anomalies(store: Store, settings: AskSettings, readings: pl.DataFrame) -> list[BalanceReport]:
    """Add anomaly questions to the temporary table `asked`, balanced over concepts; give the balance per corpus.

    A report that hedges an abnormality has no sure answer and is not asked about.
    """
    reports = []
    usable = readings.filter(pl.col("is_sure") & (pl.col("anomalies").list.len() > 0))
    for (corpus,), part in sorted(usable.group_by("corpus", maintain_order=True), key=lambda item: str(item[0])):
        kept = downsample_sets(
            part["concepts"].to_list(), balance=settings.balance, min_positives=settings.min_positives
        )
        chosen = part[kept]
        store.replace_temporary("read_anomalies", chosen.select("study_id", "anomalies"))
        store.connection.execute(_ANOMALY, {"text": pack().questions.text(Task.ANOMALY)})
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


# Questions of ours whose report is read otherwise now: another answer, or none that is sure.
_STALE_ANOMALIES = """
    create or replace temporary table stale_questions as
    select question_id from questions left join read_now using (study_id)
    where labeler = $source and task = 'anomaly'
      and (is_sure is distinct from true or anomalies is distinct from answer_findings)
"""
_STALE_CHANGES = """
    create or replace temporary table stale_questions as
    select question_id from questions
    left join (select study_id, prior_study_id, finding, progression from progressions where labeler = $ours) as now
    on now.study_id = questions.study_id and now.prior_study_id = questions.prior_study_id
       and now.finding = questions.findings[1]
    where task = 'temporal' and questions.labeler = $ours
      and now.progression is distinct from list_filter(options, lambda o: o.letter = answer)[1].findings[1]
"""


def retire(store: Store, readings: pl.DataFrame) -> tuple[int, int]:
    """Delete the questions whose answer their reports no longer give; return how many, and how many chains with them.

    This happens when the reader or its pack has changed since they were asked.
    """
    store.replace_temporary("read_now", readings.select("study_id", "is_sure", "anomalies"))
    questions = chains = 0
    for query, named in ((_STALE_ANOMALIES, {"source": SOURCE}), (_STALE_CHANGES, {"ours": LABELER})):
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
    columns = "study_id, prior_study_id, finding, progression"
    differ = store.count(
        f"""
        with known as (select {columns} from progressions where labeler = ?), read as (select {columns} from stated)
        select count(*) from ((from read except from known) union all (from known except from read))
        """,
        [LABELER],
    )
    if differ:
        with store.run("ask", settings.model_dump(mode="json")) as run, store.transaction():
            store.connection.execute("delete from progressions where labeler = ?", [LABELER])
            run.rows_written = store.insert("progressions", stated.with_columns(run_id=pl.lit(run.run_id)))
    return stated.height
