"""`cxr evaluate` and `cxr compare`: from predictions to measures with intervals, and to differences between models."""

from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxr.miner.commands.base import DEFAULT_DB, Db, Exit, exit_with_rejects, fail
from cxr.miner.commands.options import EMPTY, JUDGE, JUDGE_OPTIONS, WEIGHTS, Options, OptionValues, grouped, offered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxr.miner.judge.radrscore import Empty
    from cxr.trainer.evaluate.counts import CountsResult
    from cxr.trainer.evaluate.formats import ResultTable, TableFormat
    from cxr.trainer.evaluate.settings import EvaluateSettings

FormatName = Annotated[str, typer.Option("--format", help="table, csv, json, latex, markdown or html.")]
ResultsFile = Annotated[Path | None, typer.Option("-o", "--output", help="Write here instead of to the terminal.")]
STATISTICS = Options(
    cluster=offered(str, "What is drawn and permuted: sample, or patient (all samples of one at once)."),
    resamples=offered(int, "Bootstrap resamples of each interval; default 1,000."),
    seed=offered(int, "Names the draws; the same seed gives the same numbers."),
    empty=offered(str, EMPTY),
    cross_centre=offered(str, "Corpora that get a table of their own; default: rsna,siim."),
)


@grouped
def evaluate(
    judging: OptionValues = JUDGE_OPTIONS,
    weighing: OptionValues = WEIGHTS,
    statistics: OptionValues = STATISTICS,
    benchmark: Annotated[
        Path | None, typer.Argument(metavar="[BENCH]", help="The folder of the benchmark that was predicted.")
    ] = None,
    models: Annotated[
        list[str] | None, typer.Option("--model", metavar="NAME", help="Only this model; may be given again.")
    ] = None,
    ratescore: Annotated[
        Path | None, typer.Option(metavar="WEIGHTS", help="Folder with RaTEScore's models, for open answers.")
    ] = None,
    counts: Annotated[
        Path | None,
        typer.Option("--from-counts", metavar="FILE.csv", help="Aggregate judgements made elsewhere; needs no store."),
    ] = None,
    impossible: Annotated[
        str, typer.Option(help="Counts that cannot be, in --from-counts: warn (kept as given) or fail.")
    ] = "warn",
    format_: FormatName = "table",
    output: ResultsFile = None,
    processes: Annotated[int | None, typer.Option(help="For rules: processes; default: one per processor.")] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Evaluate the predictions for a benchmark: accuracy, RadRScore and its parts, with 95 % intervals."""
    from cxr.miner.kit.settings import choose
    from cxr.trainer.evaluate.formats import ResultTable, TableFormat
    from cxr.trainer.evaluate.settings import EvaluateSettings

    chosen = choose(TableFormat, format_, "evaluate: --format")
    if impossible not in {"warn", "fail"}:
        fail(f"evaluate: --impossible {impossible!r} is unknown; choose from warn, fail", Exit.USAGE)
    if (benchmark is None) == (counts is None):
        fail(
            "evaluate: give the folder of a benchmark, or --from-counts FILE.csv; see `cxr evaluate --help`", Exit.USAGE
        )
    useless = {
        "--model": models, "--judge": judging["judge"], "--weights": weighing["weights"],
        "--cluster": statistics["cluster"], "--ratescore": ratescore,
    }  # fmt: skip
    given = [option for option, value in useless.items() if value]
    if counts is not None and given:
        fail(f"evaluate: counts are judged already and name no patients; leave out {', '.join(given)}", Exit.USAGE)
    settings = EvaluateSettings.resolve(db, processes=processes, **statistics, **judging, **weighing)
    if counts is not None:
        from cxr.trainer.evaluate.counts import COUNT_MEASURES, evaluate_counts

        result = evaluate_counts(counts, empty=settings.empty, resamples=settings.resamples, seed=settings.seed)
        _say_about_counts(result, counts, settings.empty, stop=impossible == "fail")
        write_tables([ResultTable("", result.lines, COUNT_MEASURES)], chosen, output)
    elif benchmark is not None:
        _evaluate_benchmark(benchmark, settings, models or None, ratescore, db, chosen, output)


def _evaluate_benchmark(
    folder: Path,
    settings: "EvaluateSettings",
    models: list[str] | None,
    weights: Path | None,
    db: Path,
    chosen: "TableFormat",
    output: Path | None,
) -> None:
    from cxr.miner.judge.radrscore import Empty
    from cxr.miner.kit.console import progress, say
    from cxr.trainer.evaluate.evaluate import evaluate_benchmark
    from cxr.trainer.reward.rewards import load_ratescore

    scorer = None if weights is None else load_ratescore(weights)
    with progress("evaluate") as advance:
        done = evaluate_benchmark(db, folder, settings, advance, models=models, ratescore=scorer)
    with exit_with_rejects(done.scoring.rejects, "predictions"):
        write_tables(done.tables, chosen, output)
        for one in done.coverage:
            failed = f", {one.failed:,} failed" if one.failed else ""
            say(
                f"{one.model} ({one.mode}): {one.predicted:,} of {one.expected:,} {one.samples} samples of split "
                f"{one.split}{failed}"
            )
        for model, why, count in done.unread:
            say(f"{model}: {count:,} answers could not be read ({why}); they count as wrong")
        for (model, mode), rows in groupby(done.errors, key=itemgetter(0, 1)):
            said = ", ".join(f"{error} {count:,}" for *_, error, count in rows)
            say(f"{model} ({mode}): its wrong findings are wrong in {said}")
        if settings.empty is Empty.SKIP and done.empty:
            _say_empty(done.empty)
        if done.scoring.second:
            say(done.scoring.second)
        judged = f"{done.scoring.judge} {done.scoring.judge_version}"
        say(f"{done.scoring.scored:,} predictions scored by {judged}, {done.scoring.already:,} were already")


def _say_empty(empty: dict[str, int]) -> None:
    from cxr.miner.kit.console import say

    parts = ", ".join(f"{count:,} of {name}" for name, count in empty.items() if count)
    say(f"left out because there was nothing to count: {parts}")


def _say_about_counts(result: "CountsResult", path: Path, empty: "Empty", *, stop: bool) -> None:
    """Name the rows whose counts cannot be, and what was left out; exit with 1 where the user wants that."""
    from cxr.miner.judge.radrscore import Empty
    from cxr.miner.kit.console import say

    for row in result.impossible:
        say(f"{path} line {row.line}: {row.model}, {row.task}, row {row.row}: {row.impossible}")
    if result.impossible:
        number = f"{len(result.impossible):,} rows with counts that cannot be"
        if stop:
            fail(f"{path} has {number}; correct them, or leave out --impossible fail to keep them", Exit.FAILED)
        say(f"warning: {number}, kept as given; --impossible fail stops instead")
    if empty is Empty.SKIP and any(result.empty.values()):
        _say_empty(result.empty)


def write_tables(tables: "Sequence[ResultTable]", chosen: "TableFormat", output: Path | None) -> None:
    """Print tables, or write them to a file that appears when it is whole."""
    from cxr.miner.kit.console import echo, say
    from cxr.miner.kit.files import whole_file
    from cxr.trainer.evaluate.formats import EXACT, render

    text = render(tables, chosen)
    if output is None:
        echo(text, end="", exact=chosen in EXACT)
        return
    with whole_file(output) as handle:
        handle.write(text)
    say(f"written to {output}")


@grouped
def compare(
    statistics: OptionValues = STATISTICS,
    models: Annotated[
        list[str] | None, typer.Argument(metavar="A B ...", help="Models as `cxr evaluate` names them.")
    ] = None,
    benchmark: Annotated[
        Path | None, typer.Option("--benchmark", help="The folder of the benchmark that was predicted.")
    ] = None,
    leaderboard: Annotated[
        bool, typer.Option("--leaderboard", help="A table per measure instead: models as rows, tasks as columns.")
    ] = False,
    published: Annotated[
        bool, typer.Option("--published/--no-published", help="In the leaderboard: the paper's own numbers, as such.")
    ] = True,
    permutations: Annotated[
        int, typer.Option(min=1, max=10_000_000, help="Of the paired randomisation test.")
    ] = 10_000,
    judging: OptionValues = JUDGE,
    format_: FormatName = "table",
    output: ResultsFile = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Compare evaluated models: differences with intervals and paired tests, or a leaderboard."""
    from cxr.miner.kit.settings import choose
    from cxr.trainer.evaluate.compare import compare_models, load_evaluated
    from cxr.trainer.evaluate.evaluate import partial_notes
    from cxr.trainer.evaluate.formats import TableFormat
    from cxr.trainer.evaluate.leaderboard import leaderboard as leaderboard_tables
    from cxr.trainer.evaluate.settings import EvaluateSettings

    chosen = choose(TableFormat, format_, "compare: --format")
    named = list(dict.fromkeys(models or ()))
    if benchmark is None:
        fail("compare: give --benchmark BENCH, the folder of the benchmark that the models predicted", Exit.USAGE)
    if len(named) < 2 and not leaderboard:
        fail("compare: give two different models or more, or --leaderboard; see `cxr compare --help`", Exit.USAGE)
    settings = EvaluateSettings.resolve(db, **judging, **statistics)
    cells, name = load_evaluated(db, benchmark, settings, named or None)
    about = f"{name}, judged by {settings.judge}"
    if leaderboard:
        tables = leaderboard_tables(cells, settings, about, partial_notes(cells), published=published)
    else:
        tables = compare_models(cells, named, settings, about, permutations)
    write_tables(tables, chosen, output)
