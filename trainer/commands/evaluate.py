"""`cxr evaluate` and `cxr compare`: from predictions to measures with intervals, and to differences between models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from miner.commands.base import Exit, fail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miner.judge.radrscore import Empty
    from trainer.evaluation.counts import CountsResult
    from trainer.evaluation.formats import Format, ResultTable

FormatName = Annotated[str, typer.Option("--format", help="table, csv, json, latex, markdown or html.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Write here instead of to the terminal.")]
Resamples = Annotated[int, typer.Option(min=1, max=1_000_000, help="Bootstrap resamples of each interval.")]
Seed = Annotated[int, typer.Option(min=0, help="Names the draws; the same seed gives the same intervals.")]
EmptyName = Annotated[
    str, typer.Option("--empty", help="What a share of nothing is: zero (as published) or skip (left out, counted).")
]


def evaluate(
    counts: Annotated[
        Path | None,
        typer.Option("--from-counts", metavar="FILE.csv", help="Aggregate judgements made elsewhere; needs no store."),
    ] = None,
    impossible: Annotated[
        str, typer.Option(help="Counts that cannot be, in --from-counts: warn (kept as given) or fail.")
    ] = "warn",
    empty: EmptyName = "zero",
    resamples: Resamples = 1000,
    seed: Seed = 0,
    format_: FormatName = "table",
    output: Output = None,
) -> None:
    """Evaluate a benchmark's predictions: accuracy, RadRScore and its parts, with 95 % intervals."""
    from miner.judge.radrscore import Empty
    from miner.settings import choose
    from trainer.evaluation.formats import Format

    chosen = choose(Format, format_, "evaluate: --format")
    nothing = choose(Empty, empty, "evaluate: --empty")
    if impossible not in {"warn", "fail"}:
        fail(f"evaluate: --impossible {impossible!r} is unknown; choose from warn, fail", Exit.USAGE)
    if counts is not None:
        from trainer.evaluation.counts import evaluate_counts

        result = evaluate_counts(counts, empty=nothing, resamples=resamples, seed=seed)
        _say_about_counts(result, counts, nothing, stop=impossible == "fail")
        _write([result.table], chosen, output)


def _say_about_counts(result: "CountsResult", path: Path, empty: "Empty", *, stop: bool) -> None:
    """Name the rows whose counts cannot be, and what was left out; exit with 1 where the user wants that."""
    from miner.console import say
    from miner.judge.radrscore import Empty

    for row in result.impossible:
        say(f"{path} line {row.line}: {row.model}, {row.task}, row {row.row}: {row.impossible}")
    if result.impossible:
        number = f"{len(result.impossible):,} rows with counts that cannot be"
        if stop:
            fail(f"{path} has {number}; correct them, or leave out --impossible fail to keep them", Exit.FAILED)
        say(f"warning: {number}, kept as given; --impossible fail stops instead")
    if empty is Empty.SKIP and any(result.empty.values()):
        parts = ", ".join(f"{count:,} of {name}" for name, count in result.empty.items() if count)
        say(f"left out because there was nothing to count: {parts}")


def _write(tables: "Sequence[ResultTable]", chosen: "Format", output: Path | None) -> None:
    from miner.console import say
    from miner.jsonl import whole_file
    from trainer.evaluation.formats import render

    text = render(tables, chosen)
    if output is None:
        typer.echo(text, nl=False)
        return
    with whole_file(output) as handle:
        handle.write(text)
    say(f"written to {output}")
