"""The command line `cxr`: every command parses, calls one function and prints what came back."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    # Typer carries its own copy of click; only its type names are taken from there.
    from typer._click.core import Command, Context

    from miner.ingest.corpus import Fingerprint, Ingested
    from miner.settings import JudgeSettings


# Nothing heavy is imported up here: `cxr --help` has to be instant, and mining must never load torch.


class Exit(IntEnum):
    """What the exit code means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BUDGET = 3
    REJECTS = 4
    INTERRUPTED = 130


# The order of the help: first the way of the data, then what reads the store, then what needs none.
ORDER = (
    *("demo", "ingest", "images", "ask", "mine", "batch", "score", "filter", "bench", "export", "import"),
    *("sql", "status", "show", "prompts"),
    *("judge", "label", "radrscore", "agreement"),
)


class Commands(TyperGroup):
    """Turns the project's errors into one sentence on stderr and an exit code."""

    def list_commands(self, ctx: "Context") -> list[str]:
        """Give the commands in the order in which one uses them."""
        return sorted(super().list_commands(ctx), key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def invoke(self, ctx: "Context") -> Any:
        """Run the command that was typed."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _interrupted()
        except BrokenPipeError:
            # The reader of a pipe has seen enough (`cxr sql ... | head`).
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(Exit.FAILED) from None
        except Exception as error:
            from miner.errors import BudgetReached, CxrError, SettingsError
            from miner.store import is_interrupt

            if isinstance(error, SettingsError):
                _fail(str(error), Exit.USAGE)
            if isinstance(error, BudgetReached):
                _fail(str(error), Exit.BUDGET)
            if isinstance(error, CxrError):
                _fail(str(error), Exit.FAILED)
            if is_interrupt(error):
                _interrupted()
            raise

    def resolve_command(self, ctx: "Context", args: list[str]) -> tuple[str | None, "Command | None", list[str]]:
        """Find the command; say what there is where it does not exist."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            kind = "dataset" if ctx.info_name == "ingest" else "command"
            known = ", ".join(self.list_commands(ctx))
            _fail(f"unknown {kind} {args[0]!r}; expected one of {known}; see `{ctx.command_path} --help`", Exit.USAGE)
        return super().resolve_command(ctx, args)


def _interrupted() -> NoReturn:
    _fail("interrupted; what was finished is kept, and the same command goes on from there", Exit.INTERRUPTED)


def _fail(message: str, code: Exit) -> NoReturn:
    typer.echo(f"cxr: {message}", err=True)
    raise typer.Exit(code)


app = typer.Typer(
    name="cxr",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Mine radiologists' reasoning out of chest X-ray reports: ingest, ask, mine, score, filter.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 budget reached, 4 done with rejects (see `cxr status`).",
)
ingest_app = typer.Typer(cls=Commands, no_args_is_help=True, help="Read a corpus into the store.")
app.add_typer(ingest_app, name="ingest")
batch_app = typer.Typer(cls=Commands, no_args_is_help=True, help="Batches of `cxr mine --batch`.")
app.add_typer(batch_app, name="batch")
prompts_app = typer.Typer(cls=Commands, no_args_is_help=True, help="The prompts that language models get.")
app.add_typer(prompts_app, name="prompts")
images_app = typer.Typer(cls=Commands, no_args_is_help=True, help="Look after the image files.")
app.add_typer(images_app, name="images")

bench_app = typer.Typer(cls=Commands, no_args_is_help=True, help="Compile a benchmark, and check it.")
app.add_typer(bench_app, name="bench")
import_app = typer.Typer(cls=Commands, no_args_is_help=True, help="Read published benchmarks.")
app.add_typer(import_app, name="import")

Db = Annotated[Path, typer.Option("--db", envvar="CXR_DB", help="The store, a DuckDB file.", show_envvar=True)]
DEFAULT_DB = Path("cxr.duckdb")
Source = Annotated[Path, typer.Argument(metavar="IN.jsonl", help="JSON Lines: one record a line.")]
Target = Annotated[Path, typer.Option("-o", "--output", help="Where to write; appears only when complete.")]


def _version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        typer.echo(f"cxr {importlib.metadata.version('cxr')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Mine radiologists' reasoning out of chest X-ray reports."""


@contextmanager
def _exit_with_rejects(rejects: dict[str, int], what: str) -> Iterator[None]:
    """After a command's output, say how many rejects stand and why, and exit with 4 if there are any."""
    yield
    if rejects:
        from miner.console import say

        reasons = ", ".join(f"{count:,} {reason}" for reason, count in rejects.items())
        say(f"{sum(rejects.values()):,} {what} rejected: {reasons}")
        raise typer.Exit(Exit.REJECTS)


DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print what is found and what is missing; write nothing.")]


def _ingest(
    name: str,
    db: Path,
    read: "Callable[[], Ingested]",
    *,
    dry_run: bool,
    fingerprint: "Callable[[], Fingerprint] | None" = None,
) -> None:
    """Run any `cxr ingest` command: read and write, or with `dry_run` read and print."""
    from miner.console import out, progress, say
    from miner.ingest.dry_run import dry_run_tables
    from miner.ingest.ingest import ingest

    if dry_run:
        ingested = read()
        for made in dry_run_tables(ingested):
            out().print(made)
        for warning in (*ingested.differing, *ingested.notes):
            say(warning)
        say(f"dry run: nothing was written to {db}")
        return
    with progress(f"ingest {name}") as advance:
        result = ingest(db, read, advance, None if fingerprint is None else fingerprint())
    with _exit_with_rejects(result.rejects, "rows"):
        for note in result.notes:
            say(note)
        say(result.sentence)


@ingest_app.callback()
def _before_ingest() -> None:
    """Read a corpus into the store."""
    # Polars' allocator keeps freed memory; at MIMIC's size that is a fifth of a gigabyte. Read when Polars loads.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")


@ingest_app.command("openi")
def ingest_openi(
    path: Annotated[Path, typer.Argument(help="The folder with the CSVs, the .tgz of XML, or a folder of XML.")],
    layout: Annotated[
        str, typer.Option(help="auto, csv, tgz or xml; auto takes the first of these that is there.")
    ] = "auto",
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read the Indiana University collection (NLM Open-i), and label its reports."""
    from miner.ingest.openi import Layout, read_openi
    from miner.settings import choose

    chosen = choose(Layout, layout, "ingest openi: --layout")
    _ingest("openi", db, lambda: read_openi(path, chosen), dry_run=dry_run)


@ingest_app.command("mimic-cxr")
def ingest_mimic_cxr(
    path: Annotated[
        Path, typer.Argument(help="The folder of MIMIC-CXR (zip or tree of reports), the zip, or a sectioned CSV.")
    ],
    jpg: Annotated[
        Path | None, typer.Option(help="The folder of MIMIC-CXR-JPG: its CSVs and images; default: the same folder.")
    ] = None,
    layout: Annotated[
        str, typer.Option(help="auto, zip, tree or sectioned; auto takes the first of these that is there.")
    ] = "auto",
    label: Annotated[
        bool, typer.Option("--label", help="Label all reports by our rules too, beside the labels shipped (slow).")
    ] = False,
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read MIMIC-CXR: reports, and from MIMIC-CXR-JPG images, views, dates, split and labels (ours if it has none)."""
    from miner.ingest.mimic import find_mimic, mimic_fingerprint, read_mimic
    from miner.ingest.mimic_reports import Layout
    from miner.settings import choose

    files = find_mimic(path, jpg, choose(Layout, layout, "ingest mimic-cxr: --layout"))
    ours = label or not files.ships_labels
    _ingest(
        "mimic-cxr",
        db,
        lambda: read_mimic(files, label=ours),
        dry_run=dry_run,
        fingerprint=lambda: mimic_fingerprint(files, label=ours),
    )


@ingest_app.command("chexpert")
def ingest_chexpert(
    path: Annotated[Path, typer.Argument(help="The folder CheXpert-v1.0 or CheXpert-v1.0-small, or the one above it.")],
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read CheXpert: images and labels, radiologists' labels for validation and test; it has no reports."""
    from miner.ingest.chexpert import read_chexpert

    _ingest("chexpert", db, lambda: read_chexpert(path), dry_run=dry_run)


@ingest_app.command("chexpert-plus")
def ingest_chexpert_plus(
    path: Annotated[Path, typer.Argument(help="The folder of CheXpert Plus, or its df_chexpert_plus_240401.csv.")],
    chexpert: Annotated[
        Path | None, typer.Option(help="A folder of CheXpert: its labels are taken over, its images used.")
    ] = None,
    label: Annotated[
        bool, typer.Option("--label", help="Label all reports by our rules too, beside the labels shipped (slow).")
    ] = False,
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read CheXpert Plus: the reports of CheXpert's studies, their sections, CheXbert's labels, demographics."""
    from miner.ingest.chexpert_plus import fingerprint, read_chexpert_plus

    _ingest(
        "chexpert-plus",
        db,
        lambda: read_chexpert_plus(path, chexpert, label=label),
        dry_run=dry_run,
        fingerprint=lambda: fingerprint(path, chexpert, label=label),
    )


Headers = Annotated[
    bool, typer.Option("--headers", help="Read age, sex, view and size from the DICOM headers (needs cxr[images]).")
]


@ingest_app.command("rsna")
def ingest_rsna(
    path: Annotated[Path, typer.Argument(help="The folder with stage_2_train_labels.csv.")],
    headers: Headers = False,
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read the RSNA Pneumonia Detection Challenge: labels of single images; it has no reports."""
    from miner.ingest.rsna import read_rsna

    _ingest("rsna", db, lambda: read_rsna(path, headers=headers), dry_run=dry_run)


@ingest_app.command("siim")
def ingest_siim(
    path: Annotated[Path, typer.Argument(help="The folder with train-rle.csv, or that file.")],
    headers: Headers = False,
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read SIIM-ACR Pneumothorax: labels of single images; it has no reports."""
    from miner.ingest.siim import read_siim

    _ingest("siim", db, lambda: read_siim(path, headers=headers), dry_run=dry_run)


@ingest_app.command("csv")
def ingest_csv(
    path: Annotated[Path, typer.Argument(help="A CSV with a row per study, or per image.")],
    name: Annotated[str | None, typer.Option(help="What to call the corpus.")] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Which column holds what; repeat it.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML file with name, licence, labeler, date_format and [columns].")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="public or credentialed (the default).")] = None,
    labeler: Annotated[
        str | None, typer.Option(help="Whose labels the label columns hold, e.g. radiologist; default corpus.")
    ] = None,
    date_format: Annotated[str | None, typer.Option(help="Of study_datetime, e.g. %d.%m.%Y; default ISO 8601.")] = None,
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read your own reports from a CSV.

    Fields: study_id, patient_id, report (or findings, impression, indication, history, technique, comparison), split,
    study_datetime, study_order, age, sex, image, view, and labels by their CheXpert names. Columns that are named like
    a field need no --map.
    """
    from miner.ingest.mapping import csv_settings
    from miner.ingest.own_csv import read_csv_corpus

    chosen = csv_settings(mapping, map_ or (), name=name, licence=licence, labeler=labeler, date_format=date_format)
    _ingest(
        chosen.name,
        db,
        lambda: read_csv_corpus(
            path, chosen.columns, chosen.name, chosen.licence, labeler=chosen.labeler, date_format=chosen.date_format
        ),
        dry_run=dry_run,
    )


@images_app.command("check")
def images_check(
    root: Annotated[
        list[str] | None,
        typer.Option(
            "--root", metavar="CORPUS=PATH", help="Where a corpus's images lie; default: where ingest saw them."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; default: one per processor.", min=1)] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Find missing, truncated and unreadable image files by their headers, and note sizes in the store."""
    from miner.console import out, progress, say, table
    from miner.image_files import NO_PYDICOM
    from miner.images import check_images, parse_roots
    from miner.store import Store
    from schemas.vocabulary import FileStatus

    with Store.write(db) as store, progress("images check") as advance:
        result = check_images(store, parse_roots(root or ()), advance, workers=workers)
    if result.rows:
        out().print(table("Image files", ["corpus", "images", *map(str, FileStatus)], result.rows))
    if result.problems:
        out().print(table("Of these, for example", ["corpus", "image", "status", "why"], result.problems))
    for corpus, count in result.skipped.items():
        say(f"{corpus}: {count:,} images were not looked at; say where they lie with --root {corpus}=PATH")
    if result.unread_dicom:
        say(f"{result.unread_dicom:,} DICOM files are there, but their headers were not read; {NO_PYDICOM}")
    say(f"{result.changed:,} images updated in the store")
    if result.damaged:
        raise typer.Exit(Exit.REJECTS)


@ingest_app.command("ms-cxr-t")
def ingest_ms_cxr_t(
    path: Annotated[Path, typer.Argument(help="The folder of MS-CXR-T, or its temporal image classification CSV.")],
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read MS-CXR-T: how findings changed between two studies of MIMIC-CXR, before or after MIMIC-CXR itself."""
    from miner.ingest.ms_cxr_t import read_ms_cxr_t

    _ingest("ms-cxr-t", db, lambda: read_ms_cxr_t(path), dry_run=dry_run)


@app.command()
def ask(
    tasks: Annotated[
        str | None,
        typer.Option(
            help="Of binary, single, multiple, anomaly, temporal; separated by commas; default: the first four."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Names the draw; the same seed asks the same questions.")] = None,
    balance: Annotated[
        str | None,
        typer.Option(help="strict: no finding more than twice as often as another; soft: but rare ones stay; none."),
    ] = None,
    min_positives: Annotated[
        int | None, typer.Option(help="Findings with fewer positives are too rare to set the balance (and named).")
    ] = None,
    labeler: Annotated[
        str | None, typer.Option(help="Whose labels to use; default: people, the corpus's, ours.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="labels, or report: anomaly and temporal questions from what reports name.")
    ] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Turn labels into questions."""
    from miner import ask as stage
    from miner.console import out, say, table
    from miner.settings import AskSettings
    from miner.store import Store

    settings = AskSettings.resolve(
        db, tasks=tasks, seed=seed, balance=balance, min_positives=min_positives, labeler=labeler, source=source
    )
    with Store.write(db) as store:
        result = stage.ask(store, settings)
    if result.added:
        out().print(table("Questions added", ["task", "questions"], list(result.added.items())))
    for report in result.balance:
        if report.too_rare:
            rare = ", ".join(f"{finding} ({count})" for finding, count in report.too_rare.items())
            fate = "left out" if settings.balance == "strict" else "kept as they are"
            say(f"{report.corpus}, {report.task}: fewer than {settings.min_positives} positives, {fate}: {rare}")
    say(f"{sum(result.added.values()):,} questions added, {result.existing:,} were there already")


@app.command()
def mine(
    engine: Annotated[str | None, typer.Option(help="rules (offline) or llm (an OpenAI-compatible server).")] = None,
    model: Annotated[str | None, typer.Option(help="For llm: the model's name at the server.")] = None,
    base_url: Annotated[str | None, typer.Option(help="For llm: the server, e.g. http://127.0.0.1:8000/v1.")] = None,
    api: Annotated[str | None, typer.Option(help="For llm: openai or azure (the model is the deployment).")] = None,
    calls: Annotated[int | None, typer.Option(help="For llm: 3 calls a question, or 1 for all three steps.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="For llm: calls in flight at most.")] = None,
    rpm: Annotated[float | None, typer.Option(help="For llm: calls a minute; default: what the server allows.")] = None,
    tpm: Annotated[float | None, typer.Option(help="For llm: tokens a minute; likewise.")] = None,
    price: Annotated[str | None, typer.Option(help="For llm: INPUT,OUTPUT in USD per million tokens.")] = None,
    max_usd: Annotated[
        float | None, typer.Option(help="For llm: stop before a job, reruns included, costs more.")
    ] = None,
    max_calls: Annotated[int | None, typer.Option(help="For llm: stop after this many calls, failed ones too.")] = None,
    cache: Annotated[Path | None, typer.Option(help="For llm: folder of replies; several stores may share it.")] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="For llm: print expected cost and time; ask nothing.")
    ] = False,
    batch: Annotated[
        bool, typer.Option("--batch", help="For llm: half the price, within a day; see `cxr batch`.")
    ] = False,
    tasks: Annotated[str | None, typer.Option(help="Mine only these tasks; separated by commas.")] = None,
    limit: Annotated[int | None, typer.Option(help="Mine at most this many questions now.")] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Turn questions into plan, evidence and chain; a rerun does only what is missing."""
    from miner.console import out, progress, say
    from miner.settings import MineSettings
    from miner.status import answer_only
    from miner.store import Store

    settings = MineSettings.resolve(
        db,
        engine=engine,
        model=model,
        base_url=base_url,
        api=api,
        calls=calls,
        concurrency=concurrency,
        rpm=rpm,
        tpm=tpm,
        price=price,
        max_usd=max_usd,
        max_calls=max_calls,
        cache=cache,
        tasks=tasks,
        limit=limit,
    )
    if settings.engine == "llm":
        if estimate:
            from miner.estimate import estimate_tables

            for made in estimate_tables(db, settings):
                out().print(made)
            return
        if batch:
            from miner.batches import mine_in_batches

            result = mine_in_batches(db, settings)
        else:
            from miner.mine_llm import mine_llm

            result = mine_llm(db, settings)
    else:
        from miner.engines.rules import RulesEngine
        from miner.mine import mine as stage

        if estimate or batch:
            _fail("--estimate and --batch are for --engine llm; the rules engine costs nothing", Exit.USAGE)
        with Store.write(db) as store, progress("mine with rules") as advance:
            result = stage(store, RulesEngine(), settings, advance)
    with _exit_with_rejects(result.rejects, "questions"):
        say(f"{result.mined:,} chains mined by {settings.engine}, {result.already:,} were there already")
        for note in result.notes:
            say(note)
        with Store.read(db) as store:
            if unmineable := answer_only(store):
                say(f"{unmineable:,} questions are about studies without a report: they stay answer-only")


@batch_app.command("status")
def batch_status(db: Db = DEFAULT_DB) -> None:
    """Show every batch of this store, with the server's word on the open ones."""
    from miner.batches import batch_rows
    from miner.console import out, say, table

    rows = batch_rows(db)
    if rows:
        out().print(table("Batches", list(rows[0]), [list(row.values()) for row in rows]))
    else:
        say("no batches in this store")


@batch_app.command("collect")
def batch_collect(
    wait: Annotated[float, typer.Option(help="Look again every so many seconds until nothing is open; 0: once.")] = 0.0,
    db: Db = DEFAULT_DB,
) -> None:
    """Take in what batches have answered, write finished chains, and send the next round."""
    import time

    from miner.batches import collect
    from miner.console import say

    mined, still_open = 0, 1
    while still_open:
        result, still_open = collect(db)
        mined += result.mined
        for note in result.notes:
            say(note)
        if not wait:
            break
        if still_open:
            time.sleep(wait)
    with _exit_with_rejects({} if still_open else result.rejects, "questions"):
        say(f"{mined:,} chains mined, {still_open:,} batches still open")


@batch_app.command("cancel")
def batch_cancel(db: Db = DEFAULT_DB) -> None:
    """Cancel the open batches; what was answered until then can still be collected."""
    from miner.batches import cancel
    from miner.console import say

    say(f"{cancel(db):,} batches cancelled; `cxr batch collect` takes in what was answered")


@prompts_app.command("list")
def prompts_list() -> None:
    """List every prompt with its versions, hash, size and purpose."""
    from miner.console import out, table
    from miner.prompt_views import prompt_rows

    out().print(table("Prompts", ["prompt", "version", "hash", "examples", "characters", "about"], prompt_rows()))


@prompts_app.command("show")
def prompts_show(
    name: Annotated[str, typer.Argument(help="A name such as plan, or plan.v1 for a version.")],
    question: Annotated[str | None, typer.Option(help="A question_id: show the prompt as it would be sent.")] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Print a prompt file, or with --question the messages as a model would get them."""
    from miner.prompt_views import prompt_text

    typer.echo(prompt_text(name, question, db))


@prompts_app.command("diff")
def prompts_diff(old: str, new: str) -> None:
    """Print what changed between two prompts, such as plan.v1 and plan.v2."""
    from miner.prompt_views import prompt_diff

    typer.echo(prompt_diff(old, new))


JudgeName = Annotated[
    str | None, typer.Option("--judge", help="Who judges: rules (offline) or llm (an OpenAI-compatible server).")
]
Model = Annotated[str | None, typer.Option(help="For llm: the model's name at the server.")]
BaseUrl = Annotated[str | None, typer.Option(help="For llm: the server, e.g. http://127.0.0.1:8000/v1.")]
Concurrency = Annotated[int | None, typer.Option(help="For llm: calls in flight at most.")]
Price = Annotated[str | None, typer.Option(help="For llm: INPUT,OUTPUT in USD per million tokens.")]
MaxUsd = Annotated[float | None, typer.Option(help="For llm: stop before this costs more, reruns included.")]
MaxCalls = Annotated[int | None, typer.Option(help="For llm: stop after this many calls, failed ones too.")]
Cache = Annotated[Path | None, typer.Option(help="For llm: folder of replies, so that nothing is paid for twice.")]
LicenceTag = Annotated[
    str | None,
    typer.Option("--licence", help="For llm: public, or credentialed (the default: to this machine or attested only)."),
]


@app.command()
def score(
    judge: JudgeName = None,
    model: Model = None,
    base_url: BaseUrl = None,
    concurrency: Concurrency = None,
    price: Price = None,
    max_usd: MaxUsd = None,
    max_calls: MaxCalls = None,
    cache: Cache = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Score chains with RadRScore: factuality, completeness, effectiveness."""
    from miner.console import out, progress, say, table
    from miner.judge import make_judge
    from miner.score import score as stage
    from miner.settings import ScoreSettings
    from miner.store import Store

    settings = ScoreSettings.resolve(
        db, judge=judge, model=model, base_url=base_url, concurrency=concurrency, price=price, max_usd=max_usd,
        max_calls=max_calls, cache=cache,
    )  # fmt: skip
    if settings.judge == "llm":
        from miner.score_llm import score_llm

        with progress("score") as advance:
            result = score_llm(db, settings, advance)
    else:
        with Store.write(db) as store, progress("score") as advance:
            result = stage(store, make_judge(settings.judge), settings, advance)
    columns = ["task", "chains", "factuality", "completeness", "effectiveness", "RadRScore"]
    with _exit_with_rejects(result.rejects, "chains"):
        if result.scored:
            out().print(table(f"RadRScore by judge {result.judge}", columns, result.means))
        say(f"{result.scored:,} chains scored by {result.judge}, {result.already:,} were already")


@app.command("filter")
def filter_(
    min_factuality: Annotated[float, typer.Option(help="Keep chains with at least this factuality.")] = 1.0,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the kept chains here, as JSONL.")] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Keep the factual chains, and those reviewed well where there are reviews."""
    from miner.console import out, say, table
    from miner.filtering import filter_chains
    from miner.store import Store

    with Store.read(db) as store:
        result = filter_chains(store, min_factuality, output)
    rows = [(task, kept, total, kept / total) for task, (kept, total) in result.kept.items()]
    out().print(table(f"Chains with factuality of at least {min_factuality:g}", ["task", "kept", "of", "share"], rows))
    if result.unscored:
        say(f"{result.unscored:,} chains are not scored yet and were left out; `cxr score` scores them")
    if output is not None:
        kept = sum(kept for kept, _ in result.kept.values())
        say(f"{kept:,} chains written to {output}, judged by {', '.join(result.judges) or 'nobody'}")
        if result.credentialed:
            say(
                f"{result.credentialed:,} of them hold credentialed text: {output} may be shared only under its licence"
            )


Existing_ = Annotated[str, typer.Option("--existing", help="Where the folder exists: resume, replace or stop.")]


@bench_app.command("compile")
def bench_compile(
    name: Annotated[Path, typer.Argument(help="The benchmark's folder; its last part is its name.")],
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target", metavar="SPLIT.MODE[.TASK]=N", help="How many, e.g. test.reasoning=1000; default: the paper's."
        ),
    ] = None,
    only: Annotated[bool, typer.Option("--only", help="Only the targets given here, none of the paper's.")] = False,
    seed: Annotated[int | None, typer.Option(help="Names the draw; the same seed chooses the same samples.")] = None,
    corpora: Annotated[str | None, typer.Option(help="Only these corpora; separated by commas.")] = None,
    engine: Annotated[str | None, typer.Option(help="Only chains by this engine; default: the best of any.")] = None,
    min_factuality: Annotated[float | None, typer.Option(help="Take chains with at least this factuality.")] = None,
    duplicates: Annotated[
        str | None, typer.Option(help="The split that keeps reports that two share: test, train, or both.")
    ] = None,
    near: Annotated[float | None, typer.Option(help="Share of word trigrams from which reports are the same.")] = None,
    images: Annotated[str | None, typer.Option(help="required: only studies with images; optional.")] = None,
    max_images: Annotated[int | None, typer.Option(help="Images of a study, best views first.")] = None,
    contradicted: Annotated[
        str | None, typer.Option(help="Questions whose label the report contradicts, as mining found: drop or keep.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Write ids, seeds and options here, and no report text, for others to replay.")
    ] = None,
    existing: Existing_ = "stop",
    db: Db = DEFAULT_DB,
) -> None:
    """Choose questions and chains to target sizes and write them, with a manifest that a rebuild reproduces."""
    from miner.benchmark.compile import compile_benchmark
    from miner.benchmark.report import say_compiled
    from miner.benchmark.settings import Existing, bench_settings
    from miner.console import progress
    from miner.settings import choose
    from miner.store import Store

    settings = bench_settings(
        db, target or (), only=only, seed=seed, corpora=corpora, engine=engine, min_factuality=min_factuality,
        duplicates=duplicates, near=near, images=images, max_images=max_images, contradicted=contradicted,
    )  # fmt: skip
    chosen = choose(Existing, existing, "bench compile: --existing")
    with Store.write(db) as store, progress("bench compile") as advance:
        result = compile_benchmark(store, name, settings, chosen, advance, recipe)
    say_compiled(name, result, recipe)


@bench_app.command("verify")
def bench_verify(folder: Annotated[Path, typer.Argument(help="A benchmark's folder.")]) -> None:
    """Check a benchmark against its manifest: every file's hash, and no study or patient in two splits."""
    from miner.benchmark.manifest import read_manifest, verify
    from miner.console import say

    problems = verify(folder)
    for problem in problems:
        say(problem)
    if problems:
        raise typer.Exit(Exit.FAILED)
    manifest = read_manifest(folder)
    samples = sum(entry.rows for entry in manifest.files.values())
    say(f"{folder} is as its manifest says: {len(manifest.files):,} files, {samples:,} samples, {manifest.fingerprint}")


@bench_app.command("replay")
def bench_replay(
    recipe: Annotated[Path, typer.Argument(help="A recipe by `cxr bench compile --recipe`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The benchmark's folder.")],
    existing: Existing_ = "stop",
    db: Db = DEFAULT_DB,
) -> None:
    """Build another group's benchmark from your own copy of its corpora, and compare every file's hash."""
    from miner.benchmark.replay import replay
    from miner.benchmark.settings import Existing
    from miner.console import progress, say
    from miner.settings import choose
    from miner.store import Store

    chosen = choose(Existing, existing, "bench replay: --existing")
    with Store.write(db) as store, progress("bench replay") as advance:
        result = replay(store, recipe, output, chosen, advance)
    if result.asked:
        say(f"{result.asked:,} questions were asked with the recipe's settings")
    for name in result.different:
        say(f"{name} differs from the recipe's")
    if result.different:
        raise typer.Exit(Exit.FAILED)
    say(f"{output}: all {len(result.manifest.files):,} files are the recipe's, byte for byte")


@bench_app.command("leakage")
def bench_leakage(
    near: Annotated[float, typer.Option(help="Share of word trigrams from which reports are the same.")] = 0.8,
    db: Db = DEFAULT_DB,
) -> None:
    """Report what splits share: repeated reports, patients, studies; and questions that tell their answer."""
    from miner.benchmark.report import leakage_tables
    from miner.console import out, say
    from miner.leakage import leakage
    from miner.store import Store

    with Store.read(db) as store:
        found = leakage(store, near)
    for made in leakage_tables(found):
        out().print(made)
    say("no leakage found" if found.is_clean else "`cxr bench compile` keeps all of this on one side")


@app.command("export")
def export_(
    format_: Annotated[
        str, typer.Argument(metavar="FORMAT", help="sft, grpo, hf, verl, jsonl, radrbench or label-studio.")
    ],
    benchmark: Annotated[Path, typer.Argument(help="A benchmark's folder.")],
    output: Annotated[str, typer.Option("-o", "--output", help="The folder to write to.")],
    mix: Annotated[
        list[str] | None,
        typer.Option("--mix", metavar="MODE=WEIGHT", help="How often samples of a mode are taken, e.g. reasoning=2."),
    ] = None,
    splits: Annotated[str | None, typer.Option(help="Only these splits; separated by commas.")] = None,
    modes: Annotated[str | None, typer.Option(help="Only these of answer_only,reasoning.")] = None,
    image_root: Annotated[
        list[str] | None,
        typer.Option(
            "--image-root", metavar="[CORPUS=]PATH", help="Put before image paths; default: where ingest saw images."
        ),
    ] = None,
    pixels: Annotated[str | None, typer.Option(help="paths, or embed the image files (sft, grpo, hf).")] = None,
    seed: Annotated[int | None, typer.Option(help="Names the order and the draws of --mix.")] = None,
    public: Annotated[bool, typer.Option("--public", help="The folder is going to be public.")] = False,
    allowed: Annotated[
        str | None, typer.Option("--i-am-allowed", metavar="WHY", help="Why credentialed samples may be published.")
    ] = None,
    existing: Existing_ = "stop",
    db: Db = DEFAULT_DB,
) -> None:
    """Write a benchmark in the form that a trainer, a hub or a reviewer reads; it is noted in `runs`."""
    from miner.benchmark.settings import Existing
    from miner.console import progress, say
    from miner.export.export import export
    from miner.export.settings import ExportSettings, Format, parse_image_roots, parse_mix
    from miner.settings import choose
    from miner.store import Store

    chosen = choose(Format, format_, "export:")
    settings = ExportSettings.resolve(
        db, seed=seed, splits=splits, modes=modes, pixels=pixels, mix=parse_mix(mix) if mix else None,
        image_roots=parse_image_roots(image_root) if image_root else None,
    )  # fmt: skip
    on_existing = choose(Existing, existing, "export: --existing")
    with Store.write(db, create=True) as store, progress(f"export {chosen}") as advance:
        result = export(store, benchmark, output, chosen, settings, on_existing, public=public,
                        allowed_because=allowed, advance=advance)  # fmt: skip
    rows = sum(count for _, count in result.files)
    say(f"{rows:,} rows in {len(result.files):,} files written to {output}; licence tag: {result.licence}")


_ImageRoots = Annotated[
    list[str] | None,
    typer.Option(
        "--image-root",
        metavar="[PREFIX=]PATH",
        help="Where images lie here: in the place of a prefix of someone else's cluster, or of all before their name.",
    ),
]


def _import(what: str, sources: list[Path], output: Path, split: str, image_root: list[str] | None, existing: str,
            read: Any, db: Path) -> None:  # fmt: skip
    """Run any `cxr import` of a published benchmark."""
    from miner.benchmark.settings import Existing, check_split
    from miner.console import say
    from miner.export.settings import parse_image_roots
    from miner.imports.folder import import_files
    from miner.settings import choose
    from miner.store import Store

    on_existing = choose(Existing, existing, f"import {what}: --existing")
    roots = parse_image_roots(image_root or ())
    with Store.write(db, create=True) as store:
        result = import_files(store, what, sources, output, check_split(split), on_existing, read, roots)
    with _exit_with_rejects(result.rejects, "records"):
        rows = sum(entry.rows for entry in result.manifest.files.values())
        say(f"{rows:,} samples written to {output}; licence tag: {result.manifest.licence}")
        if result.without_images:
            say(f"{result.without_images:,} questions came without an image path")


@import_app.command("radrbench")
def import_radrbench(
    sources: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Published JSON files.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The benchmark's folder.")],
    split: Annotated[str, typer.Option(help="train, validate or test: the files do not say.")] = "test",
    image_root: _ImageRoots = None,
    existing: Existing_ = "stop",
    db: Db = DEFAULT_DB,
) -> None:
    """Read RadRBench-CXR as the reference project publishes it, training and test files alike."""
    from miner.imports.radrbench import read_radrbench

    _import("radrbench", sources, output, split, image_root, existing, read_radrbench, db)


@import_app.command("chexbench")
def import_chexbench(
    source: Annotated[Path, typer.Argument(metavar="data.json", help="CheXbench's one file.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The benchmark's folder.")],
    image_root: _ImageRoots = None,
    existing: Existing_ = "stop",
    db: Db = DEFAULT_DB,
) -> None:
    """Read CheXbench as an evaluation set: its multiple-choice tasks."""
    from miner.imports.chexbench import read_chexbench

    _import("chexbench", [source], output, "test", image_root, existing, read_chexbench, db)


@import_app.command("reviews")
def import_reviews(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Label Studio's JSON export.")],
    db: Db = DEFAULT_DB,
) -> None:
    """Read radiologists' reviews of chains, made in Label Studio from `cxr export label-studio`."""
    from miner.console import say
    from miner.imports.reviews import import_reviews as read_reviews
    from miner.store import Store

    with Store.write(db) as store:
        result = read_reviews(store, source)
    with _exit_with_rejects(result.rejects, "reviews"):
        say(f"{result.reviews:,} reviews of {result.chains:,} chains written")


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement; the store is opened read-only.")],
    format_: Annotated[str, typer.Option("--format", help="table, csv or json (one object a line).")] = "table",
    db: Db = DEFAULT_DB,
) -> None:
    """Run SQL on the store: tables studies, reports, questions, chains, findings, scores, rejects, runs ..."""
    from miner.sql import print_query
    from miner.store import Store

    with Store.read(db) as store:
        print_query(store, query, format_)


@app.command()
def status(db: Db = DEFAULT_DB) -> None:
    """Show what the store holds, stage by stage; while a run is writing, how far it is."""
    from miner.console import out, say
    from miner.engines.make import progress_path
    from miner.errors import StoreLocked
    from miner.live import read_progress
    from miner.status import status_tables
    from miner.store import Store

    try:
        with Store.read(db) as store:
            for made in status_tables(store):
                out().print(made)
    except StoreLocked:
        going_on = read_progress(progress_path(db))
        if going_on is None:
            raise
        out().print(going_on.table())
        say(f"process {going_on.pid} is writing; the rest can be shown when it has ended")


@app.command()
def show(
    identity: Annotated[str, typer.Argument(metavar="ID", help="A question_id or chain_id.")],
    db: Db = DEFAULT_DB,
) -> None:
    """Show one question with its plan, quotes in context, chain and verdicts."""
    from miner.console import out
    from miner.show import show_chain
    from miner.store import Store

    with Store.read(db) as store:
        for part in show_chain(store, identity):
            out().print(part)


@app.command()
def judge(
    source: Source,
    output: Target,
    judge_name: JudgeName = None,
    model: Model = None,
    base_url: BaseUrl = None,
    concurrency: Concurrency = None,
    licence: LicenceTag = None,
    price: Price = None,
    max_usd: MaxUsd = None,
    max_calls: MaxCalls = None,
    cache: Cache = None,
) -> None:
    """Judge findings against reports: {"id", "report", "findings": [{"observation", "status"}]} or "text"."""
    from miner.judge.files import judge_line
    from miner.settings import JudgeSettings
    from schemas.vocabulary import Stage

    settings = JudgeSettings.resolve(
        DEFAULT_DB, judge=judge_name, model=model, base_url=base_url, concurrency=concurrency, licence=licence,
        price=price, max_usd=max_usd, max_calls=max_calls, cache=cache,
    )  # fmt: skip
    _transform_with_judge(source, output, Stage.JUDGE, settings, judge_line)


@app.command()
def label(source: Source, output: Target) -> None:
    """Label reports with the 14 CheXpert findings: {"id", "report"} comes back with "labels"."""
    from miner.labeler import label_line
    from schemas.vocabulary import Stage

    _transform(source, output, Stage.LABEL, label_line)


@app.command()
def radrscore(
    source: Source,
    output: Target,
    judge_name: JudgeName = None,
    empty: Annotated[
        str, typer.Option(help="What a share of nothing is: zero (as published) or skip (left out, and counted).")
    ] = "zero",
    model: Model = None,
    base_url: BaseUrl = None,
    concurrency: Concurrency = None,
    licence: LicenceTag = None,
    price: Price = None,
    max_usd: MaxUsd = None,
    max_calls: MaxCalls = None,
    cache: Cache = None,
) -> None:
    """Score reasoning: {"id", "prediction", "reference", "report"}, each side text or a list of findings."""
    from functools import partial

    from miner.judge.files import radrscore_line
    from miner.judge.radrscore import Empty
    from miner.settings import JudgeSettings, choose
    from schemas.vocabulary import Stage

    chosen = choose(Empty, empty, "radrscore: --empty")
    settings = JudgeSettings.resolve(
        DEFAULT_DB, judge=judge_name, model=model, base_url=base_url, concurrency=concurrency, licence=licence,
        price=price, max_usd=max_usd, max_calls=max_calls, cache=cache,
    )  # fmt: skip
    _transform_with_judge(source, output, Stage.RADRSCORE, settings, partial(radrscore_line, empty=chosen))


def _transform_with_judge(
    source: Path, output: Path, stage: Any, settings: "JudgeSettings", answer: Callable[[Any, Any], Any]
) -> None:
    """Run a file command whose lines a judge answers, as many at once as the judge takes."""
    from miner.console import say
    from miner.judges import open_judge

    with open_judge(settings, output) as opened:
        try:
            _transform(source, output, stage, lambda record: answer(record, opened.of(record)), opened.workers)
        finally:
            if opened.client is not None:
                say(f"judged by {opened.judge.name} {opened.judge.version}: {opened.client.spending}")


def _transform(source: Path, output: Path, stage: Any, convert: Any, workers: int = 1) -> None:
    from miner.console import progress, say
    from miner.jsonl import transform

    with progress(str(stage)) as advance:
        counts = transform(source, output, stage, convert, advance, workers)
    say(f"{counts.written:,} records written to {output}")
    if counts.rejects:
        say(f"{counts.rejects:,} lines rejected; see {output}.rejects.jsonl for line, id and reason")
        raise typer.Exit(Exit.REJECTS)


@app.command()
def agreement(
    gold: Annotated[Path, typer.Argument(metavar="GOLD.jsonl", help="Findings with verdicts, or with recalled.")],
    predicted: Annotated[Path, typer.Argument(metavar="PREDICTED.jsonl", help="The same findings, judged again.")],
    retest: Annotated[bool, typer.Option("--retest", help="Both are by one judge: does it agree with itself?")] = False,
    show: Annotated[int, typer.Option(help="Print at most this many findings on which the two differ.")] = 20,
) -> None:
    """Compare two judgements of the same findings: accuracy, kappa, 95 % intervals, confusion, what differs."""
    from miner.agreement_files import compare_files, comparison_tables
    from miner.console import out, say

    result = compare_files(gold, predicted, retest=retest)
    for made in comparison_tables(result, (gold.name, predicted.name), most=show):
        out().print(made)
    for side, number in result.unpaired.items():
        say(f"{number:,} ids are {side} and were left out")


@app.command()
def demo(
    db: Annotated[Path, typer.Option("--db", help="The demo's own store.")] = Path("cxr-demo.duckdb"),
) -> None:
    """Mine a bundled corpus of invented studies, from reports to factual chains, offline."""
    from miner.demo import run_demo

    run_demo(db)


if __name__ == "__main__":
    app()
