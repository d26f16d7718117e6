"""`cxr unread` and `cxr audit`: what our reader does not know, and where other labelers differ from it."""

from pathlib import Path
from typing import Annotated

import typer

from cxr.miner.commands.base import DEFAULT_DB, Db


def unread(
    limit: Annotated[int | None, typer.Option(help="List at most this many phrases; default 50.")] = None,
    min_count: Annotated[int | None, typer.Option(help="In how many reports at least; default 2.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the lexicon entries here, as TOML, and print none.")
    ] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """List the phrases that could be findings and were not read, with lexicon entries to paste."""
    from cxr.miner.audit.settings import UnreadSettings
    from cxr.miner.audit.unread import lexicon_entries, unread_phrases
    from cxr.miner.kit.console import out, say, table
    from cxr.miner.kit.jsonl import whole_file
    from cxr.miner.store import Store

    settings = UnreadSettings.resolve(db, limit=limit, min_count=min_count)
    with Store.read(db) as store:
        result = unread_phrases(store, settings)
    say(f"{result.understood:,} of {result.read:,} reports were understood")
    if result.read < result.reports:
        left = result.reports - result.read
        say(f"{left:,} reports were not read by our labeler; `cxr ingest CORPUS --label` reads them as well")
    if not result.phrases:
        say(f"no phrase that was not read stands in {settings.min_count:,} reports or more")
        return
    columns = ["phrase", "reports", "asserted", "for example", "near"]
    out().print(table("Not read", columns, [each[:5] for each in result.phrases]))
    entries = lexicon_entries(result.phrases)
    if output is None:
        typer.echo(entries)
        return
    with whole_file(output) as written:
        written.write(entries)
    say(f"entries for {len(result.phrases):,} phrases written to {output}; look at each before you paste it")
    if result.credentialed:
        say(f"they hold words of credentialed reports: {output} may be shared only under their licence")
