"""The command line `cxr`: every command parses, calls one function and prints what came back.

Commands on a store are here; those of a group (`cxr ingest ...`) and those on files are in `miner/commands/`.
"""

from pathlib import Path
from typing import Annotated

import typer

from cxr.miner.commands import benchmarks, files, ingest, models
from cxr.miner.commands import report as pages
from cxr.miner.commands.base import (
    DEFAULT_DB,
    BaseUrl,
    Cache,
    Commands,
    Concurrency,
    Db,
    Exit,
    JudgeModel,
    JudgeName,
    MaxCalls,
    MaxUsd,
    OldModel,
    Price,
    exit_with_rejects,
    fail,
    renamed,
)
from cxr.trainer.commands import evaluate as evaluation
from cxr.trainer.commands import phantom as phantoms
from cxr.trainer.commands import predict as prediction
from cxr.trainer.commands import train

# Nothing heavy is imported up here: `cxr --help` has to be instant, and mining must never load torch.

app = typer.Typer(
    name="cxr",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Mine radiologists' reasoning out of reports, train models on it, and evaluate them.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 budget reached, 4 done with rejects (see `cxr status`).",
)
app.add_typer(ingest.ingest_app, name="ingest")
app.add_typer(ingest.images_app, name="images")
app.add_typer(models.batch_app, name="batch")
app.add_typer(models.prompts_app, name="prompts")
app.add_typer(benchmarks.bench_app, name="bench")
app.add_typer(benchmarks.import_app, name="import")
app.add_typer(train.train_app, name="train")
app.command("export")(benchmarks.export_)
app.command()(files.judge)
app.command()(files.label)
app.command()(files.radrscore)
app.command()(files.agreement)
app.command()(pages.report)
app.command()(pages.ui)
app.command()(phantoms.phantom)
app.command()(prediction.predict)
app.command()(evaluation.evaluate)
app.command()(evaluation.compare)


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
    """Mine radiologists' reasoning out of reports."""


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
    from cxr.miner.ask import ask as stage
    from cxr.miner.ask.settings import AskSettings
    from cxr.miner.kit.console import out, say, table
    from cxr.miner.store import Store

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
        elif not report.after:
            say(f"{report.corpus}, {report.task}: its labels allow no question")
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
    from cxr.miner.kit.console import out, say
    from cxr.miner.mine.engines import ENGINES
    from cxr.miner.mine.settings import MineSettings
    from cxr.miner.store import Store
    from cxr.miner.store.status import answer_only

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
    engine_runner = ENGINES.open(settings.engine)
    if estimate:
        for made in engine_runner.estimate(db, settings):
            out().print(made)
        return
    result = (engine_runner.mine_in_batches if batch else engine_runner.mine)(db, settings)
    with exit_with_rejects(result.rejects, "questions"):
        say(f"{result.mined:,} chains mined by {settings.engine}, {result.already:,} were there already")
        for note in result.notes:
            say(note)
        with Store.read(db) as store:
            if unmineable := answer_only(store):
                say(f"{unmineable:,} questions are about studies without a report: they stay answer-only")


@app.command()
def score(
    judge: JudgeName = None,
    judge_model: JudgeModel = None,
    model: OldModel = None,
    base_url: BaseUrl = None,
    concurrency: Concurrency = None,
    price: Price = None,
    max_usd: MaxUsd = None,
    max_calls: MaxCalls = None,
    cache: Cache = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Score chains with RadRScore: factuality, completeness, effectiveness."""
    from cxr.miner.kit.console import out, progress, say, table
    from cxr.miner.score.score import score_chains
    from cxr.miner.score.settings import ScoreSettings

    settings = ScoreSettings.resolve(
        db, judge=judge, model=judge_model or renamed(model), base_url=base_url, concurrency=concurrency, price=price,
        max_usd=max_usd, max_calls=max_calls, cache=cache,
    )  # fmt: skip
    with progress("score") as advance:
        result = score_chains(db, settings, advance)
    columns = ["task", "chains", "factuality", "completeness", "effectiveness", "RadRScore"]
    with exit_with_rejects(result.rejects, "chains"):
        if result.scored:
            out().print(table(f"RadRScore by judge {result.judge}", columns, result.means))
        say(f"{result.scored:,} chains scored by {result.judge}, {result.already:,} were already")


@app.command("filter")
def filter_(
    min_factuality: Annotated[
        float | None, typer.Option(help="Keep chains with at least this factuality; default 1.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the kept chains here, as JSONL.")] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Keep the factual chains, and those reviewed well where there are reviews."""
    from cxr.miner.kit.console import out, say, table
    from cxr.miner.score.filtering import filter_chains
    from cxr.miner.score.settings import FilterSettings
    from cxr.miner.store import Store

    least = FilterSettings.resolve(db, min_factuality=min_factuality).min_factuality
    with Store.read(db) as store:
        result = filter_chains(store, least, output)
    if not result.kept:
        say("there are no chains yet; `cxr mine` makes them, `cxr score` scores them")
        return
    rows = [(task, kept, total, kept / total) for task, (kept, total) in result.kept.items()]
    out().print(table(f"Chains with factuality of at least {least:g}", ["task", "kept", "of", "share"], rows))
    if result.unscored:
        say(f"{result.unscored:,} chains are not scored yet and were left out; `cxr score` scores them")
    if output is not None:
        kept = sum(kept for kept, _ in result.kept.values())
        say(f"{kept:,} chains written to {output}, judged by {', '.join(result.judges) or 'nobody'}")
        if result.credentialed:
            say(
                f"{result.credentialed:,} of them hold credentialed text: {output} may be shared only under its licence"
            )


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement; the store is opened read-only.")],
    format_: Annotated[
        str, typer.Option("--format", help="table, csv, json (one object a line) or parquet.")
    ] = "table",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write into this file, not to stdout.")] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Run SQL on the store: tables studies, reports, questions, chains, findings, scores, rejects, runs ..."""
    from cxr.miner.kit.settings import choose
    from cxr.miner.store import Store
    from cxr.miner.store.sql import Format, print_query

    chosen = choose(Format, format_, "sql: --format")
    with Store.read(db) as store:
        print_query(store, query, chosen, output)


@app.command()
def status(db: Db = DEFAULT_DB) -> None:
    """Show what the store holds, stage by stage; while a run is writing, how far it is."""
    from cxr.miner.kit.console import out, say
    from cxr.miner.kit.errors import StoreLocked
    from cxr.miner.kit.progress import progress_path, read_progress
    from cxr.miner.store import Store
    from cxr.miner.store.status import status_tables

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
    format_: Annotated[
        str, typer.Option("--format", help="table to read; csv, json or parquet: a row per chain, nested.")
    ] = "table",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="For csv, json, parquet: write into this file.")
    ] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Show one question with its plan, quotes in context, chain and verdicts."""
    from cxr.miner.kit.console import out
    from cxr.miner.kit.settings import choose
    from cxr.miner.mine.show import print_chain, show_chain
    from cxr.miner.store import Store
    from cxr.miner.store.sql import Format

    chosen = choose(Format, format_, "show: --format")
    if chosen is Format.TABLE and output is not None:
        fail("show: -o goes with --format csv, json or parquet; a table is for the screen", Exit.USAGE)
    with Store.read(db) as store:
        if chosen is not Format.TABLE:
            print_chain(store, identity, chosen, output)
            return
        for part in show_chain(store, identity):
            out().print(part)


@app.command()
def demo(
    db: Annotated[Path, typer.Option("--db", help="The demo's own store.")] = Path("cxr-demo.duckdb"),
) -> None:
    """Mine a bundled corpus of invented studies, from reports to factual chains, offline."""
    from cxr.miner.demo import run_demo

    run_demo(db)


if __name__ == "__main__":
    app()
