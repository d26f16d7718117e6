"""`cxr review`: draw chains for radiologists to read, serve their page, and look after the study."""

from pathlib import Path
from typing import Annotated

import typer

from cxr.miner.commands import review_book
from cxr.miner.commands.base import DEFAULT_DB, Commands, Db
from cxr.miner.commands.options import Options, OptionValues, grouped, offered
from cxr.miner.commands.review_book import Book

review_app = typer.Typer(
    cls=Commands,
    invoke_without_command=True,
    help="Serve a page on which radiologists read and score chains; it runs until it is stopped.",
)

DRAWING = Options(
    what=offered(str, "chains (scores), findings (the rubric's verdicts), or audit (the lines of `cxr audit -o`)."),
    sample=offered(int, "How many items to draw; default 200."),
    task=offered(str, "Of binary, single, multiple, anomaly, temporal, separated by commas; default: all."),
    factual=offered(bool, "Draw only chains that the judge keeps.", "--factual"),
    readers=offered(str, "Who reads, as r1,r2; a new name joins a study that is there, to adjudicate."),
    adjudicators=offered(str, "Who reads nothing but what others differ on."),
    overlap=offered(float, "The share of the items that two readers read; default 0.2."),
    repeats=offered(float, "The share of a reader's items that come twice, unannounced; default 0.1."),
    seed=offered(int, "Names the draw."),
    audit=offered(Path, "For audit: the file that `cxr audit -o` drew."),
    training=offered(Path, "An export of reviews to begin with: what was said there is shown after one's own word."),
)
for command in (review_book.status, review_book.export, review_book.close):
    review_app.command()(command)


@review_app.callback()
@grouped
def review(
    context: typer.Context,
    drawing: OptionValues = DRAWING,
    host: Annotated[
        str, typer.Option(help="Where to listen; elsewhere than on this machine for public data, or signed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.", min=0, max=65535)] = 8711,
    signed_by: Annotated[
        str | None, typer.Option("--signed-by", metavar="NAME", help="Who answers for another --host.")
    ] = None,
    allowed: Annotated[
        str | None, typer.Option("--i-am-allowed", metavar="WHY", help="Why it may be shown there.")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Or draw the study, and end.")] = True,
    book: Book = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Draw a study, or go on with it, and serve its page until stopped; prints a link for each reader."""
    if context.invoked_subcommand is not None:
        return
    from cxr.miner.kit.console import echo, say
    from cxr.miner.review.book import ReviewBook
    from cxr.miner.review.draw import book_path, open_study
    from cxr.miner.review.reach import Reach, address_of
    from cxr.miner.review.session import Session, run_session

    reach, path = Reach(address_of(host), port, signed_by, allowed), book or book_path(db)
    opened = open_study(db, path, drawing)
    for told in opened.told:
        say(told)
    with ReviewBook(path) as study:
        say(f"{len(study.rows('select 1 from items')):,} items, {'drawn into' if opened.is_new else 'from'} {path}")
        if not serve:
            return

        def show(origin: str) -> None:
            for reader, token in study.readers().items():
                echo(f"{reader}  {origin}/r/{token}/")
            say("each link is its reader's own; Ctrl-C ends the server, and everything is saved at every change")

        run_session(Session(db, study, say), study, reach, show)
