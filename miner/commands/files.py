"""`cxr judge`, `label`, `radrscore` and `agreement`: from files to files, without a store."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxr.miner.commands.base import DEFAULT_DB, Db, Exit, fail
from cxr.miner.commands.options import (
    EMPTY,
    FILE_JUDGING,
    WEIGHTS,
    LinesIn,
    LinesOut,
    OptionValues,
    grouped,
    without_old_name,
)

if TYPE_CHECKING:
    from cxr.miner.judge.settings import JudgeSettings


@grouped
def judge(source: LinesIn, output: LinesOut, judging: OptionValues = FILE_JUDGING) -> None:
    """Judge findings against reports: {"id", "report", "findings": [{"observation", "status"}]} or "text"."""
    from cxr.miner.judge.files import judge_line
    from cxr.miner.judge.settings import JudgeSettings
    from cxr.schemas.vocabulary import Stage

    settings = JudgeSettings.resolve(DEFAULT_DB, **without_old_name(judging))
    transform_with_judge(source, output, Stage.JUDGE, settings, judge_line)


def label(source: LinesIn, output: LinesOut) -> None:
    """Label reports with the findings of the pack: {"id", "report"} comes back with "labels"."""
    from cxr.miner.language.labeler import label_line
    from cxr.schemas.vocabulary import Stage

    transform_lines(source, output, Stage.LABEL, label_line)


@grouped
def radrscore(
    source: LinesIn,
    output: LinesOut,
    judging: OptionValues = FILE_JUDGING,
    weighing: OptionValues = WEIGHTS,
    empty: Annotated[str, typer.Option(help=EMPTY)] = "zero",
) -> None:
    """Score reasoning: {"id", "prediction", "reference", "report"}, each side text or a list of findings."""
    from functools import partial

    from cxr.miner.judge.files import radrscore_line
    from cxr.miner.judge.radrscore import Empty
    from cxr.miner.judge.settings import JudgeSettings
    from cxr.miner.kit.settings import choose
    from cxr.schemas.vocabulary import Stage

    chosen = choose(Empty, empty, "radrscore: --empty")
    settings = JudgeSettings.resolve(DEFAULT_DB, **without_old_name(judging), **weighing)
    answer = partial(radrscore_line, empty=chosen, weights=settings.weights)
    transform_with_judge(source, output, Stage.RADRSCORE, settings, answer)


def transform_with_judge(
    source: Path, output: Path, stage: Any, settings: "JudgeSettings", answer: Callable[[Any, Any], Any]
) -> None:
    """Run a file command whose lines a judge answers, as many at once as the judge takes."""
    from cxr.miner.judge import open_judge
    from cxr.miner.judge.protocol import AsksAhead
    from cxr.miner.kit.console import say
    from cxr.miner.llm.books import FileBooks

    books = FileBooks(output, [settings.licence])
    with open_judge(settings, books) as opened:

        def convert(record: Any) -> Any:
            # What the judge sends carries the line's id and the file's licence.
            identity = record.get("id") if isinstance(record, dict) else None
            return answer(record, opened.bound("-" if identity is None else str(identity), settings.licence))

        try:
            transform_lines(source, output, stage, convert, opened.workers)
        finally:
            if isinstance(opened, AsksAhead) and (told := opened.told()):
                say(told)
            if books.spending is not None:
                say(f"judged by {opened.name} {opened.version}: {books.spending}")


def transform_lines(source: Path, output: Path, stage: Any, convert: Any, workers: int = 1) -> None:
    """Convert a JSONL file line by line, say what became of it, and exit with 4 where lines were rejected."""
    from cxr.miner.kit.console import progress, say
    from cxr.miner.kit.jsonl import transform

    with progress(str(stage)) as advance:
        counts = transform(source, output, stage, convert, advance, workers)
    say(f"{counts.written:,} records written to {output}")
    if counts.rejects:
        say(f"{counts.rejects:,} lines rejected; see {output}.rejects.jsonl for line, id and reason")
        raise typer.Exit(Exit.REJECTS)


def agreement(
    gold: Annotated[
        Path | None, typer.Argument(metavar="GOLD.jsonl", help="Findings with verdicts, or with recalled.")
    ] = None,
    predicted: Annotated[
        Path | None, typer.Argument(metavar="PREDICTED.jsonl", help="The same findings, judged again.")
    ] = None,
    retest: Annotated[bool, typer.Option("--retest", help="Both are by one judge: does it agree with itself?")] = False,
    show: Annotated[int, typer.Option(help="Print at most this many findings on which the two differ.")] = 20,
    reviews: Annotated[
        bool, typer.Option("--reviews", help="Instead: the readers whose reviews the store has.")
    ] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Compare two judgements of the same findings, or readers' reviews: agreement, 95 % intervals, what differs."""
    from cxr.miner.kit.console import out, say
    from cxr.miner.score.agreement import compare_files, comparison_tables

    if reviews:
        if gold is not None or retest:
            fail("agreement: --reviews takes no files and no --retest; it compares the readers of a store", Exit.USAGE)
        print_reviews(db)
        return
    if gold is None or predicted is None:
        fail("agreement: expected two files, GOLD.jsonl and PREDICTED.jsonl, or --reviews", Exit.USAGE)
    result = compare_files(gold, predicted, retest=retest)
    for made in comparison_tables(result, (gold.name, predicted.name), most=show):
        out().print(made)
    for side, number in result.unpaired.items():
        say(f"{number:,} ids are {side} and were left out")


def print_reviews(db: Path) -> None:
    """Print what the reviews of a store say: means, the gate, agreement, test-retest, steps and time."""
    from cxr.miner.kit.console import out, say, table
    from cxr.miner.score.reviews import review_notes, review_tables
    from cxr.miner.stats.reliability import Drawing
    from cxr.miner.store import Store

    with Store.read(db) as store:
        made = review_tables(store, Drawing())
        notes = review_notes(store)
    if not made:
        say("there are no reviews yet; `cxr review` asks readers for them, `cxr import reviews` takes them in")
    for one in made:
        out().print(table(one.title, one.columns, one.rows))
    for note in notes:
        say(note)
