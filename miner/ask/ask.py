"""Ask: labels become questions, set-based in SQL and deterministic under a seed (design.md, "Tasks").

Every draw is an order by the MD5 of (seed, study, finding), so that adding a corpus or a study never
reshuffles the questions of the others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from cxr.miner.ask.balance import BalanceReport, ceilings_frame, downsample_sets, too_rare
from cxr.miner.ask.settings import AskSettings
from cxr.miner.ask.silence import note_silent_studies, note_understanding
from cxr.miner.ask.temporal import ask_temporal
from cxr.miner.ask.understanding import read_coverage
from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import SettingsError
from cxr.miner.kit.parallel import Advance, quiet
from cxr.miner.kit.sql import read_sql
from cxr.miner.language.labeler import LABELER
from cxr.miner.language.version import reader_version
from cxr.miner.pack import pack
from cxr.miner.store import Store
from cxr.schemas.vocabulary import RejectReason, Task

_SQL = read_sql("cxr.miner.ask")

# Labelers in the order in which a study's labels are taken: people first, then the corpus's own, then ours.
LABELER_PREFERENCE = ("radiologist", "chexpert", "chexbert", "negbio", "corpus", "rules")

LARGEST_SET = 5

TASKS: dict[str, tuple[Task, ...]] = {
    "labels": (Task.BINARY, Task.SINGLE, Task.MULTIPLE, Task.ANOMALY),
    "report": (Task.ANOMALY,),
}
"""What is asked where nobody chose."""
FITTING: dict[str, tuple[Task, ...]] = {"labels": tuple(Task), "report": (Task.ANOMALY, Task.TEMPORAL)}
"""What can be asked: reports state what is there and how it changed; what is not there, labels know."""


@dataclass(frozen=True)
class AskResult:
    """What `cxr ask` did: new questions per task, questions that stood already, and what balance left."""

    added: dict[str, int]
    existing: int
    balance: tuple[BalanceReport, ...]
    retired: int = 0
    """Questions that went because their reports are read otherwise now; `removed_chains` went with them."""
    removed_chains: int = 0
    stale_labels: int = 0
    """Studies that were asked about by labels of an older version of our labeler."""
    silent: Mapping[RejectReason, int] = field(default_factory=dict)
    """Studies that were asked nothing whose answer rests on silence, by reason: their reports were not understood."""


def ask(store: Store, settings: AskSettings, advance: Advance = quiet) -> AskResult:
    """Write the questions of the chosen tasks that the store does not hold yet; `advance` counts reports to be read.

    Raises SettingsError where the store has no labels, or none of the labeler that was named, or, for temporal
    questions, no progression between two of its studies.
    """
    fitting = [task for task in FITTING[settings.source] if task in pack().questions.tasks]
    tasks = settings.tasks or [task for task in TASKS[settings.source] if task in fitting]
    if unfit := [task for task in tasks if task not in fitting]:
        raise SettingsError(
            f"ask: --source {settings.source} cannot ask {', '.join(unfit)} questions; it asks {', '.join(fitting)}"
        )
    of_one_study = [task for task in tasks if task is not Task.TEMPORAL]
    if settings.source == "report":
        result = _ask_from_reports(store, settings, tasks)
    else:
        result = _ask_of_one_study(store, settings, of_one_study, advance) if of_one_study else AskResult({}, 0, ())
    if Task.TEMPORAL not in tasks:
        return result
    added, existing, report = ask_temporal(store, settings)
    counts = {**result.added, str(Task.TEMPORAL): added} if added else result.added
    return replace(result, added=counts, existing=result.existing + existing, balance=(*result.balance, report))


def _ask_of_one_study(store: Store, settings: AskSettings, tasks: Sequence[Task], advance: Advance) -> AskResult:
    _pick_labels(store, settings, advance)
    store.connection.execute(_SQL["asked"])
    reports = [
        _ask_task(store, settings, corpus, task)
        for (corpus,) in store.rows("select distinct corpus from picked order by corpus")
        for task in tasks
    ]
    stale = store.count(
        "select count(distinct study_id) from labels semi join picked using (study_id, labeler) "
        "where labeler = ? and labeler_version <> ?",
        [LABELER, reader_version()],
    )
    result = _write(store, settings, tuple(reports))
    store.connection.execute(_SQL["silent_studies"])
    silent = note_silent_studies(store, "select distinct corpus from picked", settings.model_dump(mode="json"))
    return replace(result, stale_labels=stale, silent=silent)


def _ask_from_reports(store: Store, settings: AskSettings, tasks: Sequence[Task]) -> AskResult:
    # The engines, and the judge that they rest on, load where reports are asked about alone.
    from cxr.miner.ask import from_reports as ask_report  # noqa: PLC0415

    readings = ask_report.read_store(store, settings)
    if readings.is_empty():
        raise SettingsError("ask: the store has no reports; `cxr ingest` a corpus that has them")
    if Task.TEMPORAL in tasks:
        ask_report.store_progressions(store, settings, readings)
    retired, removed_chains = ask_report.retire(store, readings)
    if Task.ANOMALY not in tasks:
        return AskResult({}, 0, (), retired, removed_chains)
    store.connection.execute(_SQL["asked"])
    origins = readings.select("study_id", "corpus", "split").with_columns(labeler=pl.lit(ask_report.SOURCE))
    store.replace_temporary("origins", origins)
    reports = ask_report.ask_anomalies(store, settings, readings)
    result = _write(store, settings, tuple(reports))
    store.replace_temporary(
        "silent_studies", readings.filter(pl.col("reason").is_not_null()).select("study_id", "corpus", "reason")
    )
    silent = note_silent_studies(store, "select distinct corpus from origins", settings.model_dump(mode="json"))
    return replace(result, retired=retired, removed_chains=removed_chains, silent=silent)


def _pick_labels(store: Store, settings: AskSettings, advance: Advance) -> None:
    known = [name for (name,) in store.rows("select distinct labeler from labels order by labeler")]
    if not known:
        raise SettingsError("ask: the store has no labels; `cxr ingest` a corpus first")
    if settings.labeler and settings.labeler not in known:
        raise SettingsError(f"ask: no labels by {settings.labeler!r} in this store; it has {', '.join(known)}")
    order = [settings.labeler] if settings.labeler else list(dict.fromkeys([*LABELER_PREFERENCE, *known]))
    store.connection.execute(
        _SQL["picked"], {"order": order, "seed": settings.seed, "findings": list(pack().question_labels)}
    )
    implied = [(label.name, other, True) for label in pack().labels for other in label.implies]
    possible = [(label.name, other, False) for label in pack().labels for other in label.may_mean]
    schema = {"shown": pl.Utf8, "other": pl.Utf8, "firmly": pl.Boolean}
    store.replace_temporary("pairs", pl.DataFrame([*implied, *possible], schema=schema, orient="row"))
    read_coverage(store, settings.model_dump(mode="json"), advance)
    note_understanding(store)
    store.connection.execute(_SQL["negatives"])
    store.connection.execute(
        "create or replace temporary table origins as select distinct study_id, corpus, split, labeler from picked"
    )


def _ask_task(store: Store, settings: AskSettings, corpus: str, task: Task) -> BalanceReport:
    """Add one corpus's questions of one task to `asked`."""
    _ASKING[task](store, settings, corpus)
    return _report(store, settings, corpus, task)


def _binary(store: Store, settings: AskSettings, corpus: str) -> None:
    absent = dict(store.rows("select finding, count(*) from negatives where corpus = ? group by 1", [corpus]))
    present = _positives(store, corpus)
    _set_ceilings(store, settings, {finding: min(count, absent.get(finding, 0)) for finding, count in present.items()})
    store.connection.execute(_SQL["ask_binary"], {"corpus": corpus, "text": pack().questions.text(Task.BINARY)})


def _single(store: Store, settings: AskSettings, corpus: str) -> None:
    _set_ceilings(store, settings, _positives(store, corpus))
    store.connection.execute(_SQL["single_sets"], {"corpus": corpus})
    store.connection.execute(_SQL["ask_lettered"], {"text": pack().questions.text(Task.SINGLE)})


def _multiple(store: Store, settings: AskSettings, corpus: str) -> None:
    _choose_studies(store, settings, _SQL["candidates_multiple"], {"corpus": corpus, "largest": LARGEST_SET})
    store.connection.execute(_SQL["multiple_sets"], {"seed": settings.seed})
    store.connection.execute(_SQL["ask_lettered"], {"text": pack().questions.text(Task.MULTIPLE)})


def _anomaly(store: Store, settings: AskSettings, corpus: str) -> None:
    _choose_studies(store, settings, _SQL["candidates_anomaly"], {"corpus": corpus, "all": len(pack().question_labels)})
    store.connection.execute(_SQL["ask_anomaly"], {"text": pack().questions.text(Task.ANOMALY)})


_ASKING: dict[Task, Callable[[Store, AskSettings, str], None]] = {
    Task.BINARY: _binary,
    Task.SINGLE: _single,
    Task.MULTIPLE: _multiple,
    Task.ANOMALY: _anomaly,
}


def _positives(store: Store, corpus: str) -> dict[str, int]:
    query = "select finding, count(*) filter (where value = 1) from picked where corpus = ? group by 1 order by 1"
    return dict(store.rows(query, [corpus]))


def _set_ceilings(store: Store, settings: AskSettings, available: dict[str, int]) -> None:
    table = ceilings_frame(available, balance=settings.balance, min_positives=settings.min_positives)
    store.replace_temporary("ceilings", table)


def _choose_studies(store: Store, settings: AskSettings, query: str, parameters: dict[str, object]) -> None:
    candidates = store.frame(query, parameters)
    kept = downsample_sets(
        candidates["findings"].to_list(), balance=settings.balance, min_positives=settings.min_positives
    )
    store.replace_temporary("chosen", candidates[kept].select("study_id"))


def _report(store: Store, settings: AskSettings, corpus: str, task: Task) -> BalanceReport:
    before = _positives(store, corpus)
    after = store.rows(_SQL["asked_by_finding"], {"corpus": corpus, "task": str(task)})
    rare = too_rare(before, settings.min_positives) if settings.balance != "none" else {}
    return BalanceReport(corpus=corpus, task=str(task), before=before, after=dict(after), too_rare=rare)


def _write(store: Store, settings: AskSettings, balance: tuple[BalanceReport, ...]) -> AskResult:
    store.connection.execute(_SQL["new_questions"])
    added = dict(store.rows("select task, count(*) from new group by task order by task"))
    if added:
        fingerprint = digest("ask", settings.model_dump(mode="json", exclude={"tasks"}))
        with store.run("ask", settings.model_dump(mode="json")) as run, store.transaction():
            store.connection.execute(
                "insert into questions by name select *, ? as settings_hash, ? as run_id from new "
                "order by task, study_id, question_id",
                [fingerprint, run.run_id],
            )
            run.rows_written = sum(added.values())
    return AskResult(added, store.count("select count(*) from asked") - sum(added.values()), balance)
