"""`cxr status`: what a store holds, stage by stage, and what was lost on the way."""

from rich.table import Table

from cxr.miner.kit.console import table
from cxr.miner.store import Store

_TABLES: tuple[tuple[str, str], ...] = (
    (
        "Corpora",
        """
        select corpus, any_value(licence) as licence, count(*) as studies, count(distinct patient_id) as patients,
               count(reports.study_id) as reports, sum(image_count)::bigint as images,
               count(*) filter (where split = 'train') as train, count(*) filter (where split = 'validate') as validate,
               count(*) filter (where split = 'test') as test
        from studies left join reports using (study_id)
        left join (select study_id, count(*) as image_count from images group by study_id) using (study_id)
        group by corpus order by corpus
        """,
    ),
    (
        "Counts against the published ones",
        """
        select corpus, count.what, count.found, count.published, count.found - count.published as difference
        from (select corpus, unnest(counts) as count from corpora) order by corpus
        """,
    ),
    (
        "Sections of reports",
        """
        with present as (
            select corpus, unnest(list_distinct(list_transform(sections, lambda s: s.name))) as section
            from reports join studies using (study_id)),
        total as (select corpus, count(*) as reports from reports join studies using (study_id) group by corpus)
        select corpus, section, count(*) as reports, count(*) / any_value(total.reports) as share
        from present join total using (corpus) group by corpus, section order by corpus, reports desc, section
        """,
    ),
    (
        "Progressions",
        """
        select progressions.corpus, finding, count(*) filter (where progression = 'worsening') as worsening,
               count(*) filter (where progression = 'stable') as stable,
               count(*) filter (where progression = 'improving') as improving,
               count(*) filter (where quality = 'disagreement') as disagreement,
               count(*) filter (where later.study_id <> earlier.study_id) as "both studies here"
        from progressions left join studies as later using (study_id)
        left join studies as earlier on earlier.study_id = prior_study_id
        group by all order by all
        """,
    ),
    (
        "Labels",
        """
        select corpus, labeler || ' ' || coalesce(labeler_version, '') as labeler, finding,
               count(*) filter (where value = 1) as positive, count(*) filter (where value = 0) as negative,
               count(*) filter (where value = -1) as uncertain,
               count(*) filter (where value is null) as "not mentioned",
               count(*) filter (where value = 1) / count(*) as prevalence
        from labels join studies using (study_id) group by all order by corpus, labeler, finding
        """,
    ),
    (
        "Questions and chains",
        """
        select corpus, questions.task, count(distinct question_id) as questions,
               coalesce(engine || ' ' || engine_version, '(not mined)') as engine,
               count(chain_id) as chains, count(factuality) as scored,
               count(*) filter (where factuality >= 1) as factual, avg(factuality) as "mean factuality",
               judge || ' ' || judge_version as judge
        from questions left join newest_chains using (question_id) left join latest_scores using (chain_id)
        group by all order by corpus, questions.task, engine, judge
        """,
    ),
    (
        "Calls to language models",
        """
        select engine, model, stage, count(*) as calls, count(*) filter (where cache_hit) as "from cache",
               count(error) as failed, sum(prompt_tokens)::bigint as "prompt tokens",
               sum(completion_tokens)::bigint as "completion tokens", sum(cost_usd) as USD,
               count(*) filter (where cost_usd is null) as "cost unknown",
               round(avg(latency_s) filter (where not cache_hit), 2) as "mean seconds"
        from calls group by all order by all
        """,
    ),
    (
        "Open batches",
        """
        select batch_id, model, requests, status, answered, failed, strftime(submitted_at, '%Y-%m-%d %H:%M') as sent
        from batches where collected_at is null order by submitted_at
        """,
    ),
    (
        "Rejects",
        "select stage, corpus, reason, count(*) as rejects from rejects group by all order by stage, rejects desc",
    ),
    (
        "Last runs",
        """
        select strftime(started_at, '%Y-%m-%d %H:%M:%S') as started, command,
               if(status = 'running', 'running, or killed', status) as status, rows_written as rows, rejects,
               printf('%.1f', date_diff('millisecond', started_at, ended_at) / 1000) as seconds
        from runs order by started_at desc limit 8
        """,
    ),
)


def status_tables(store: Store) -> list[Table]:
    """Return a table per subject that has rows."""
    made = []
    for title, query in _TABLES:
        frame = store.frame(query)
        if frame.height:
            made.append(table(title, frame.columns, frame.rows()))
    return made


def answer_only(store: Store) -> int:
    """Return the number of questions that nothing can be mined for, because their studies have no report."""
    return store.count("select count(*) from questions anti join reports using (study_id)")
