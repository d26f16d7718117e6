"""The command line `cxr`: every command parses, calls one function and prints what came back.

Commands on a store are here; those of a group (`cxr ingest ...`) and those on files are in `miner/commands/`.
"""

from pathlib import Path
from typing import Annotated

import typer

from cxr.miner.commands import audit, benchmarks, doctor, files, ingest, models, review
from cxr.miner.commands import report as pages
from cxr.miner.commands.base import DEFAULT_DB, Commands, Db, Exit, exit_with_rejects, fail
from cxr.miner.commands.options import (
    JUDGING,
    PACED,
    SERVER,
    WEIGHTS,
    Options,
    OptionValues,
    grouped,
    offered,
    without_old_name,
)
from cxr.trainer.commands import evaluate as evaluation
from cxr.trainer.commands import phantom as phantoms
from cxr.trainer.commands import predict as prediction
from cxr.trainer.commands import reward as rewarding
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
GROUPS = {
    "ingest": ingest.ingest_app,
    "images": ingest.images_app,
    "batch": models.batch_app,
    "prompts": models.prompts_app,
    "bench": benchmarks.bench_app,
    "import": benchmarks.import_app,
    "train": train.train_app,
    "review": review.review_app,
}
for name, group in GROUPS.items():
    app.add_typer(group, name=name)
app.command("export")(benchmarks.export_)
for command in (
    *(files.judge, files.label, files.radrscore, files.agreement, pages.report, pages.ui),
    *(ingest.licence, audit.unread, audit.audit, doctor.doctor),
    *(phantoms.phantom, rewarding.reward, prediction.predict, evaluation.evaluate, evaluation.compare),
):
    app.command()(command)


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


ASKING = Options(
    tasks=offered(str, "Of binary, single, multiple, anomaly, temporal; separated by commas; default: the first four."),
    seed=offered(int, "Names the draw; the same seed asks the same questions."),
    balance=offered(str, "strict: no finding more than twice as often as another; soft: but rare ones stay; none."),
    min_positives=offered(int, "Findings with fewer positives are too rare to set the balance (and named)."),
    labeler=offered(str, "Whose labels to use; default: people, the corpus's, ours."),
    source=offered(str, "labels, or report: anomaly and temporal questions from what reports name."),
)


@app.command()
@grouped
def ask(asking: OptionValues = ASKING, db: Db = DEFAULT_DB) -> None:
    """Turn labels into questions."""
    from cxr.miner.ask import ask as stage
    from cxr.miner.ask.settings import AskSettings
    from cxr.miner.ask.silence import WHY
    from cxr.miner.kit.console import out, progress, say, table
    from cxr.miner.store import Store

    settings = AskSettings.resolve(db, **asking)
    with Store.write(db) as store, progress("read") as advance:
        result = stage.ask(store, settings, advance)
    if result.added:
        out().print(table("Questions added", ["task", "questions"], list(result.added.items())))
    for report in result.balance:
        if report.too_rare:
            rare = ", ".join(f"{finding} ({count})" for finding, count in report.too_rare.items())
            fate = "left out" if settings.balance == "strict" else "kept as they are"
            say(f"{report.corpus}, {report.task}: fewer than {settings.min_positives} positives, {fate}: {rare}")
        elif not report.after:
            say(f"{report.corpus}, {report.task}: its labels allow no question")
    if result.retired:
        say(
            f"{result.retired:,} questions retired, whose reports are read otherwise now; "
            f"{result.removed_chains:,} chains went with them"
        )
    say(f"{sum(result.added.values()):,} questions added, {result.existing:,} were there already")
    for reason, count in result.silent.items():
        say(f"{count:,} studies were asked nothing that rests on silence ({reason}): {WHY[reason]}")
    if result.stale_labels:
        say(
            f"{result.stale_labels:,} studies were asked about by labels of an older version of our labeler; the same "
            "`cxr ingest` again renews them"
        )


MINING = Options(
    engine=offered(str, "rules (offline) or llm (an OpenAI-compatible server)."),
    model=offered(str, "Server: the model's name there."),
    calls=offered(int, "Server: 3 calls a question, or 1 for all three steps."),
    best_of=offered(int, "Server: so many chains a question, each judged; the best is kept, all are recorded."),
    until_factual=offered(bool, "With --best-of: draw no more once a chain is wholly factual.", "--until-factual"),
    repair=offered(bool, "Server: claims that the judge finds not borne out go back once.", "--repair"),
    judge=offered(str, "Who judges for these two, asked as the settings of the stage judge say; default rules."),
    wording=offered(str, "For rules: varied (drawn for each question), or plain (one wording for all)."),
    wording_seed=offered(int, "For rules: names the draw of the wording."),
    **SERVER,
    **PACED,
)


@app.command()
@grouped
def mine(
    mining: OptionValues = MINING,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Server: print expected cost and time; ask nothing.")
    ] = False,
    batch: Annotated[
        bool, typer.Option("--batch", help="Server: half the price, within a day; see `cxr batch`.")
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

    settings = MineSettings.resolve(db, tasks=tasks, limit=limit, **mining)
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
@grouped
def score(judging: OptionValues = JUDGING, weighing: OptionValues = WEIGHTS, db: Db = DEFAULT_DB) -> None:
    """Score chains with RadRScore: factuality, completeness, effectiveness."""
    from cxr.miner.audit.independent import one_reader
    from cxr.miner.judge.weights import Weights
    from cxr.miner.kit.console import out, progress, say, table
    from cxr.miner.mine.yields import cost_notes
    from cxr.miner.score.score import score_chains
    from cxr.miner.score.settings import ScoreSettings
    from cxr.miner.store import Store

    settings = ScoreSettings.resolve(db, **without_old_name(judging), **weighing)
    with progress("score") as advance:
        result = score_chains(db, settings, advance)
    columns = ["task", "chains", "factuality", "completeness", "effectiveness", "RadRScore", "weighted"]
    columns = columns[: 6 if settings.weights is Weights.NONE else 7]
    with exit_with_rejects(result.rejects, "chains"):
        if result.scored:
            means = [row[: len(columns)] for row in result.means]
            out().print(table(f"RadRScore by judge {result.judge}", columns, means))
            if result.errors:
                out().print(table("In what findings are wrong", ["error", "findings", "chains"], result.errors))
        say(f"{result.scored:,} chains scored by {result.judge}, {result.already:,} were already")
        if result.second:
            say(result.second)
        if result.renewed:
            say(f"{result.renewed:,} of them had been scored by another version of this judge")
        with Store.read(db) as store:
            for note in cost_notes(store):
                say(note)
            if shared := one_reader(store):
                say(shared)


@app.command("filter")
def filter_(
    min_factuality: Annotated[
        float | None, typer.Option(help="Keep chains with at least this factuality; default 1.")
    ] = None,
    min_review: Annotated[
        float | None, typer.Option(help="Where there are reviews, keep chains with this on every axis; default 5.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the kept chains here, as JSONL.")] = None,
    all_settings: Annotated[
        bool | None, typer.Option("--all-settings", help="Every chain of a question, not its newest alone.")
    ] = None,
    drop_duplicates: Annotated[
        bool | None, typer.Option("--drop-duplicates", help="Of chains that say nearly the same words, one.")
    ] = None,
    agree: Annotated[
        str | None, typer.Option(help="Labelers that must contradict no evidence, e.g. chexpert,negbio.")
    ] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Keep the factual chains, and those reviewed well where there are reviews."""
    from cxr.miner.kit.console import out, say, table
    from cxr.miner.score.filtering import filter_chains
    from cxr.miner.score.settings import FilterSettings
    from cxr.miner.store import Store

    settings = FilterSettings.resolve(
        db,
        min_factuality=min_factuality,
        min_review=min_review,
        all_settings=all_settings,
        drop_duplicates=drop_duplicates,
        agree=agree,
    )
    with Store.read(db) as store:
        result = filter_chains(store, settings, output)
    if not result.kept:
        say("there are no chains yet; `cxr mine` makes them, `cxr score` scores them")
        return
    rows = [(task, kept, total, kept / total) for task, (kept, total) in result.kept.items()]
    out().print(
        table(f"Chains with factuality of at least {settings.min_factuality:g}", ["task", "kept", "of", "share"], rows)
    )
    if result.unscored:
        say(f"{result.unscored:,} chains are not scored yet and were left out; `cxr score` scores them")
    for note in result.notes:
        say(note)
    if settings.drop_duplicates:
        say(f"{result.repeated:,} factual chains were left out, which say nearly the words of another one")
    if settings.agree:
        named = " or ".join(settings.agree)
        say(f"{result.contradicted:,} factual chains were left out, whose evidence {named} contradicts")
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
        str, typer.Option("--format", help="table, csv, json (a line each), parquet, or sheet: csv for a spreadsheet.")
    ] = "table",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write into this file, not to stdout.")] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Run SQL on the store: tables studies, reports, questions, chains, findings, scores, rejects, runs ..."""
    from cxr.miner.kit.settings import choose
    from cxr.miner.store import Store
    from cxr.miner.store.sql import RowFormat, print_query

    chosen = choose(RowFormat, format_, "sql: --format")
    with Store.read(db) as store:
        print_query(store, query, chosen, output)


@app.command()
def status(db: Db = DEFAULT_DB) -> None:
    """Show what the store holds, stage by stage; while a run is writing, how far it is."""
    from cxr.miner.audit.independent import one_reader
    from cxr.miner.kit.console import out, say, table
    from cxr.miner.kit.errors import StoreLocked
    from cxr.miner.kit.progress import progress_path, read_progress
    from cxr.miner.score.versions import versions_now
    from cxr.miner.store import Store
    from cxr.miner.store.stale import makers, stale_rows
    from cxr.miner.store.status import status_tables

    try:
        with Store.read(db) as store:
            for made in status_tables(store):
                out().print(made)
            if shared := one_reader(store):
                say(shared)
            if stale := stale_rows(store, versions_now(makers(store))):
                columns = ["what", "corpus", "by", "version", "rows", "renewed by"]
                out().print(table("Made by an older version", columns, stale))
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
        str, typer.Option("--format", help="table to read; csv, json, parquet or sheet: a row per chain, nested.")
    ] = "table",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="For csv, json, parquet, sheet: write into this file.")
    ] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Show one question with its plan, quotes in context, chain and verdicts."""
    from cxr.miner.kit.console import out
    from cxr.miner.kit.settings import choose
    from cxr.miner.mine.show import print_chain, show_chain
    from cxr.miner.store import Store
    from cxr.miner.store.sql import RowFormat

    chosen = choose(RowFormat, format_, "show: --format")
    if chosen is RowFormat.TABLE and output is not None:
        fail("show: -o goes with --format csv, json, parquet or sheet; a table is for the screen", Exit.USAGE)
    with Store.read(db) as store:
        if chosen is not RowFormat.TABLE:
            print_chain(store, identity, chosen, output)
            return
        for part in show_chain(store, identity):
            out().print(part)


@app.command()
def demo(db: Annotated[Path, typer.Option("--db", help="The demo's own store.")] = Path("cxr-demo.duckdb")) -> None:
    """Mine a bundled corpus of invented studies, from reports to factual chains, offline."""
    from cxr.miner.demo import run_demo

    run_demo(db)


if __name__ == "__main__":
    app()
