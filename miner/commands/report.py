"""`cxr report` and `cxr ui`: look at a store, as a page or with DuckDB's own tools; neither writes to it."""

from pathlib import Path
from typing import Annotated

import typer

from cxr.miner.commands.base import DEFAULT_DB, Db


def report(
    output: Annotated[Path, typer.Option("-o", "--output", help="The page; appears only when it is complete.")] = Path(
        "report.html"
    ),
    with_text: Annotated[
        bool | None, typer.Option("--with-text", help="Show text of credentialed corpora too, under a banner.")
    ] = None,
    examples: Annotated[int | None, typer.Option(help="Show at most this many example chains; default 48.")] = None,
    resamples: Annotated[
        int | None, typer.Option(help="Bootstrap resamples of each 95 % interval; default 1,000.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Names the bootstrap's draws.")] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Write one self-contained HTML page about the store: funnel, labels, quality, evaluations, examples."""
    from cxr.miner.kit.console import say
    from cxr.miner.report import ReportSettings, write_report
    from cxr.miner.store import Store

    settings = ReportSettings.resolve(db, with_text=with_text, examples=examples, resamples=resamples, seed=seed)
    with Store.read(db) as store:
        result = write_report(store, output, settings)
    say(f"{output}: {result.size / 1e6:.1f} MB, {result.examples} examples; it opens in any browser, without network")
    if result.withheld:
        say(f"text of {result.withheld:,} credentialed chains is left out; --with-text shows it, under a banner")
    if result.credentialed:
        say(f"it holds credentialed text: {output} may be shared only under its licence")


def ui(
    browser: Annotated[
        bool,
        typer.Option("--browser", help="Open DuckDB's user interface instead; its page is loaded from ui.duckdb.org."),
    ] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Open the store in DuckDB's own shell, read-only; nothing is installed or downloaded."""
    from cxr.miner.store.ui import open_browser, open_shell

    if browser:
        open_browser(db)
    else:
        open_shell(db)
