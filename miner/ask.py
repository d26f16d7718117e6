"""Ask: labels become questions, set-based in SQL and deterministic under a seed (design.md, "Tasks").

Every draw is an order by the MD5 of (seed, study, finding), so that adding a corpus or a study never
reshuffles the questions of the others.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from miner.balance import BalanceReport, ceilings, downsample_sets, too_rare
from miner.errors import SettingsError
from miner.settings import AskSettings
from miner.store import Store, digest
from schemas.vocabulary import QUESTION_FINDINGS, Task

# Where the first is present the second is true as well (CheXpert's hierarchy, arXiv 1901.07031, figure 1), even
# if its own label is 0 or not mentioned: offering it as a wrong option would make two options right.
IMPLIED: tuple[tuple[str, str], ...] = (
    ("Cardiomegaly", "Enlarged Cardiomediastinum"),
    ("Edema", "Lung Opacity"),
    ("Consolidation", "Lung Opacity"),
    ("Pneumonia", "Lung Opacity"),
    ("Lung Lesion", "Lung Opacity"),
    ("Atelectasis", "Lung Opacity"),
    ("Pneumonia", "Consolidation"),
)
# Where the first is present the second may be meant: airspace disease, infiltrate, consolidation and pneumonia name
# the same abnormality unless the report separates them (rubric, clarification 1), as a label of 0 does.
POSSIBLE: tuple[tuple[str, str], ...] = (
    ("Consolidation", "Pneumonia"),
    ("Lung Opacity", "Consolidation"),
    ("Lung Opacity", "Pneumonia"),
)

# Labelers in the order in which a study's labels are taken: people first, then the corpus's own, then ours.
LABELER_PREFERENCE = ("radiologist", "chexpert", "chexbert", "negbio", "rules")

LARGEST_SET = 5

_NEGATIVES = """
    negatives as (
        select study_id, finding, draw from picked left join implied using (study_id, finding)
        where coalesce(value, 0) = 0 and not coalesce(firmly, false) and (value = 0 or firmly is null))
"""

_BINARY = f"""
    with {_NEGATIVES},
    yes as (
        select study_id, finding from picked join ceilings using (finding) where corpus = $corpus and value = 1
        qualify row_number() over (partition by finding order by draw) <= ceiling),
    no as (
        select study_id, finding from negatives join ceilings using (finding) join studies using (study_id)
        where corpus = $corpus
        qualify row_number() over (partition by finding order by draw) <= ceiling),
    asked as (select *, 'Yes' as answer from yes union all select *, 'No' as answer from no)
    select study_id, [finding] as findings, 'Does this chest X-ray show ' || lower(finding) || '?' as text,
           []::STRUCT(letter VARCHAR, findings VARCHAR[])[] as options, answer,
           if(answer = 'Yes', [finding], []) as answer_findings
    from asked
"""

_SINGLE = f"""
    with {_NEGATIVES},
    answers as (
        select study_id, finding as answer, md5('single' || draw) as draw from picked join ceilings using (finding)
        where corpus = $corpus and value = 1
          and study_id in (select study_id from negatives group by study_id having count(*) >= 3)
        qualify row_number() over (partition by finding order by md5('single' || draw)) <= ceiling),
    distractors as (
        select study_id, answer, answers.draw, finding from answers join negatives using (study_id)
        qualify row_number() over (
            partition by study_id, answer order by md5(answers.draw || negatives.draw)) <= 3),
    choices as (
        select study_id, answer, draw, [finding] as findings from distractors
        union all select study_id, answer, draw, [answer] from answers)
    select study_id, [answer] as answer_findings, list(findings order by md5(draw || findings[1])) as sets
    from choices group by study_id, answer
"""

# Each wrong set holds one finding that is absent and that no other wrong set holds, so that it is wrong and unlike
# the others; its other members are drawn from what is present and what else is absent.
_MULTIPLE = f"""
    with {_NEGATIVES},
    positives as (
        select study_id, finding, draw from picked where value = 1 and study_id in (select study_id from chosen)),
    right_sets as (
        select study_id, list(finding order by finding) as findings, count(*) as size from positives group by study_id),
    ranked as (
        select study_id, finding, draw,
               row_number() over (partition by study_id order by md5('multiple' || draw)) as place
        from negatives where study_id in (select study_id from chosen)),
    forced as (select study_id, place, finding from ranked where place <= 3),
    fillers as (
        select study_id, finding, draw from positives
        union all select study_id, finding, draw from ranked where place > 3),
    filled as (
        select forced.study_id, forced.place, fillers.finding
        from forced join fillers using (study_id) join right_sets using (study_id)
        qualify row_number() over (
            partition by study_id, forced.place order by md5(forced.place || fillers.draw)) < any_value(size) over (
            partition by study_id)),
    wrong_sets as (
        select study_id, list(finding order by finding) as findings
        from (select study_id, place, finding from forced union all select study_id, place, finding from filled)
        group by study_id, place),
    choices as (
        select study_id, findings from right_sets union all select study_id, findings from wrong_sets)
    select study_id, right_sets.findings as answer_findings,
           list(choices.findings order by md5($seed || study_id || array_to_string(choices.findings, '|'))) as sets
    from choices join right_sets using (study_id) group by study_id, right_sets.findings
"""

_ANOMALY = f"""
    with {_NEGATIVES},
    known as (
        select study_id, finding, value from picked
        where study_id in (select study_id from chosen)
          and (value = 1 or (study_id, finding) in (select (study_id, finding) from negatives)))
    select study_id, list(finding order by finding) as findings, 'Which findings are in this chest X-ray?' as text,
           []::STRUCT(letter VARCHAR, findings VARCHAR[])[] as options,
           string_agg(finding, ', ' order by finding) filter (where value = 1) as answer,
           list(finding order by finding) filter (where value = 1) as answer_findings
    from known group by study_id
"""

_LETTERED = """
    with placed as (
        select study_id, answer_findings, place, set_findings,
               substr('ABCD', place::integer, 1) as letter, list_sort(set_findings) = answer_findings as is_right
        from (select study_id, answer_findings, unnest(sets) as set_findings,
                     generate_subscripts(sets, 1) as place from optioned))
    select study_id, list_sort(list_distinct(flatten(list(set_findings)))) as findings,
           $stem || ' Options:' || string_agg(
               chr(10) || letter || ') ' || lower(array_to_string(set_findings, ', ')), '' order by place) as text,
           list({'letter': letter, 'findings': set_findings} order by place) as options,
           max(letter) filter (where is_right) as answer, answer_findings
    from placed group by study_id, answer_findings
"""


@dataclass(frozen=True)
class AskResult:
    """What `cxr ask` did: new questions per task, questions that stood already, and what balance left."""

    added: dict[str, int]
    existing: int
    balance: tuple[BalanceReport, ...]


def ask(store: Store, settings: AskSettings) -> AskResult:
    """Write the questions of the chosen tasks that the store does not hold yet.

    Raises SettingsError where the store has no labels, or none of the labeler that was named.
    """
    if Task.TEMPORAL in settings.tasks:
        raise SettingsError(
            "ask: temporal questions need progressions between two studies, and no ingested corpus has any; "
            "choose from binary, single, multiple, anomaly"
        )
    _pick_labels(store, settings)
    frames: list[pl.DataFrame] = []
    reports: list[BalanceReport] = []
    for (corpus,) in store.rows("select distinct corpus from picked order by corpus"):
        for task in settings.tasks:
            questions = _BUILDERS[task](store, settings, corpus)
            frames.append(questions.with_columns(task=pl.lit(str(task))))
            reports.append(_report(store, settings, corpus, task, questions))
    return _write(store, settings, frames, tuple(reports))


def _pick_labels(store: Store, settings: AskSettings) -> None:
    """Make temporary tables: `picked`, one labeler's value per study and finding, and `implied` parents."""
    known = [name for (name,) in store.rows("select distinct labeler from labels order by labeler")]
    if not known:
        raise SettingsError("ask: the store has no labels; `cxr ingest` a corpus first")
    if settings.labeler and settings.labeler not in known:
        raise SettingsError(f"ask: no labels by {settings.labeler!r} in this store; it has {', '.join(known)}")
    order = [settings.labeler] if settings.labeler else list(dict.fromkeys([*LABELER_PREFERENCE, *known]))
    store.connection.execute(
        """
        create or replace temporary table picked as
        with chosen as (
            select study_id, arg_min(labeler, list_position($order, labeler)) as labeler
            from labels where list_contains($order, labeler) group by study_id)
        select corpus, split, study_id, labeler, finding, value,
               md5(concat_ws('|', $seed::varchar, study_id, finding)) as draw
        from labels join chosen using (study_id, labeler) join studies using (study_id)
        where list_contains($findings, finding)
        """,
        {"order": order, "seed": settings.seed, "findings": [str(finding) for finding in QUESTION_FINDINGS]},
    )
    pairs = [(*pair, firmly) for firmly, table in ((True, IMPLIED), (False, POSSIBLE)) for pair in table]
    store.replace_temporary("pairs", pl.DataFrame(pairs, schema=["shown", "other", "firmly"], orient="row"))
    store.connection.execute(
        """
        create or replace temporary table implied as
        select study_id, other as finding, bool_or(firmly) as firmly
        from picked join pairs on finding = shown where value = 1 group by all
        """
    )


def _binary(store: Store, settings: AskSettings, corpus: str) -> pl.DataFrame:
    """As many Yes as No for every finding."""
    available = dict(
        store.rows(
            f"""
            with {_NEGATIVES}, counted as (
                select finding, count(*) filter (where value = 1) as yes, count(negatives.finding) as no
                from picked left join negatives using (study_id, finding) where corpus = ? group by finding)
            select finding, least(yes, no) from counted order by finding
            """,
            [corpus],
        )
    )
    _set_ceilings(store, settings, available)
    return store.frame(_BINARY, _named(corpus=corpus))


def _single(store: Store, settings: AskSettings, corpus: str) -> pl.DataFrame:
    """One true option among three whose label is 0 or not mentioned."""
    _set_ceilings(store, settings, _positives(store, corpus))
    return _with_options(store, store.frame(_SINGLE, _named(corpus=corpus)), "Which finding is in this chest X-ray?")


def _multiple(store: Store, settings: AskSettings, corpus: str) -> pl.DataFrame:
    """Four sets of one size, of which one is exactly what the study shows."""
    _choose_studies(
        store,
        settings,
        corpus,
        f"""
        with {_NEGATIVES}
        select study_id, list(finding order by finding) filter (where value = 1) as findings
        from picked where corpus = ?
          and study_id in (select study_id from negatives group by study_id having count(*) >= 3)
        group by study_id having len(findings) between 1 and {LARGEST_SET}
        order by md5('multiple' || min(draw))
        """,
    )
    optioned = store.frame(_MULTIPLE, _named(seed=str(settings.seed)))
    return _with_options(store, optioned, "Which findings are in this chest X-ray?")


def _anomaly(store: Store, settings: AskSettings, corpus: str) -> pl.DataFrame:
    """All findings, asked openly; a study with an uncertain label has no sure answer and is not asked about."""
    _choose_studies(
        store,
        settings,
        corpus,
        """
        select study_id, list(finding order by finding) filter (where value = 1) as findings
        from picked where corpus = ? group by study_id
        having len(findings) > 0 and count(*) filter (where value = -1) = 0
        order by md5('anomaly' || min(draw))
        """,
    )
    return store.frame(_ANOMALY)


_BUILDERS: dict[Task, Callable[[Store, AskSettings, str], pl.DataFrame]] = {
    Task.BINARY: _binary,
    Task.SINGLE: _single,
    Task.MULTIPLE: _multiple,
    Task.ANOMALY: _anomaly,
}


def _named(**parameters: object) -> dict[str, object]:
    return parameters


def _positives(store: Store, corpus: str) -> dict[str, int]:
    return dict(
        store.rows(
            "select finding, count(*) filter (where value = 1) from picked where corpus = ? group by 1", [corpus]
        )
    )


def _set_ceilings(store: Store, settings: AskSettings, available: dict[str, int]) -> None:
    allowed = ceilings(available, balance=settings.balance, min_positives=settings.min_positives)
    table = pl.DataFrame(
        {"finding": list(allowed), "ceiling": list(allowed.values())}, schema={"finding": pl.Utf8, "ceiling": pl.Int64}
    )
    store.replace_temporary("ceilings", table)


def _choose_studies(store: Store, settings: AskSettings, corpus: str, sql: str) -> None:
    candidates = store.frame(sql, [corpus])
    sets = candidates["findings"].to_list()
    kept = downsample_sets(sets, balance=settings.balance, min_positives=settings.min_positives)
    store.replace_temporary("chosen", candidates[kept].select("study_id"))


def _with_options(store: Store, optioned: pl.DataFrame, stem: str) -> pl.DataFrame:
    store.replace_temporary("optioned", optioned)
    return store.frame(_LETTERED, _named(stem=stem))


def _report(store: Store, settings: AskSettings, corpus: str, task: Task, questions: pl.DataFrame) -> BalanceReport:
    before = _positives(store, corpus)
    column = "findings" if task is Task.BINARY else "answer_findings"
    after = dict(questions.select(pl.col(column).explode().alias("f")).group_by("f").len().sort("f").iter_rows())
    rare = too_rare(before, settings.min_positives) if settings.balance == "strict" else {}
    return BalanceReport(corpus=corpus, task=str(task), before=before, after=after, too_rare=rare)


def _write(
    store: Store, settings: AskSettings, frames: list[pl.DataFrame], balance: tuple[BalanceReport, ...]
) -> AskResult:
    columns = ["study_id", "task", "findings", "text", "options", "answer", "answer_findings"]
    filled = [frame.select(columns) for frame in frames if frame.height]
    if not filled:
        return AskResult({}, 0, balance)
    asked = pl.concat(filled, how="vertical_relaxed")
    store.replace_temporary("asked", asked)
    new = store.frame(
        """
        select substr(md5(concat_ws('|', 'question', study_id, task, text, answer, labeler)), 1, 20) as question_id,
               asked.*, origin.* exclude (study_id), ? as settings_hash
        from asked join (select distinct study_id, corpus, split, labeler from picked) as origin using (study_id)
        where question_id not in (select question_id from questions)
        order by task, study_id, question_id
        """,
        [digest("ask", settings.model_dump(mode="json", exclude={"tasks"}))],
    )
    if new.height:
        with store.run("ask", settings.model_dump(mode="json")) as run, store.transaction():
            run.rows_written = store.insert("questions", new.with_columns(run_id=pl.lit(run.run_id)))
    added = dict(new.group_by("task").len().sort("task").iter_rows())
    return AskResult(added, asked.height - new.height, balance)
