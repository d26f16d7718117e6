"""`cxr report` and `cxr ui`: look at a store, as a page or with DuckDB's own tools; neither writes to it."""

from pathlib import Path
from typing import Annotated

import typer

from cxr.miner.commands.base import DEFAULT_DB, Db
from cxr.miner.commands.options import Options, OptionValues, grouped, offered

PAGE = Options(
    with_text=offered(bool, "Show text of credentialed corpora too, under a banner.", "--with-text"),
    examples=offered(int, "Show at most this many example chains; default 48."),
    resamples=offered(int, "Bootstrap resamples of each 95 % interval; default 1,000."),
    seed=offered(int, "Names the bootstrap's draws."),
)
PageFile = Annotated[Path, typer.Option("-o", "--output", help="The page; appears only when it is complete.")]


@grouped
def report(output: PageFile = Path("report.html"), shown: OptionValues = PAGE, db: Db = DEFAULT_DB) -> None:
    """Write one self-contained HTML page about the store: funnel, labels, quality, evaluations, examples."""
    from cxr.miner.kit.console import say
    from cxr.miner.report import ReportSettings, write_report
    from cxr.miner.store import Store

    settings = ReportSettings.resolve(db, **shown)
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
