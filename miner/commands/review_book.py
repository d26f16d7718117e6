"""`cxr review status`, `export` and `close`: what a review book holds, as a table, as lines, and its end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxr.miner.commands.base import DEFAULT_DB, Db

if TYPE_CHECKING:
    from cxr.miner.review.book import ReviewBook

Book = Annotated[Path | None, typer.Option("--book", help="The review book; default: beside the store.")]


def status(book: Book = None, db: Db = DEFAULT_DB) -> None:
    """Show how far each reader is, what waits for a third, and whether the book is as it was written."""
    from cxr.miner.kit.console import out, say, table
    from cxr.miner.review.progress import progress_notes, progress_rows
    from cxr.miner.review.verify import demand_whole

    columns = ["reader", "done", "of", "repeats", "to adjudicate", "cannot judge", "seconds a review"]
    with _open(db, book) as opened:
        demand_whole(opened)
        out().print(table("Readers", columns, progress_rows(opened)))
        for note in progress_notes(opened):
            say(note)
        lines, newest = opened.head()
        say(f"{lines:,} lines in its log, all as they were written; the newest is {newest[:16]}")


def export(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write; appears only when complete.")],
    form: Annotated[
        str,
        typer.Option("--as", help="reviews; log, every change with its hash; or gold, findings for `cxr judge`."),
    ] = "reviews",
    book: Book = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Write the reviews as JSON Lines, for `cxr import reviews` elsewhere; a reader who is not done has none."""
    from cxr.miner.kit.console import say
    from cxr.miner.kit.settings import choose
    from cxr.miner.review.files import Form, export_book
    from cxr.miner.review.items import is_public
    from cxr.miner.review.verify import problem_of

    chosen = choose(Form, form, "review export: --as")
    with _open(db, book) as opened:
        count = export_book(opened, target, chosen)
        if problem := problem_of(opened):
            say(f"{opened.path} was changed by something else than cxr: {problem}; it was written as it is")
        credentialed = not is_public(opened.licences())
    words = {Form.REVIEWS: "reviews", Form.LOG: "changes", Form.GOLD: "studies with findings"}
    say(f"{count:,} {words[chosen]} written to {target}")
    if credentialed:
        hold = "it holds credentialed reports" if chosen is Form.GOLD else "comments can hold words of such reports"
        say(f"the study is of credentialed reports, and {hold}: {target} may be shared only under their licence")


def close(
    book: Book = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait while another command holds the store.")] = 60.0,
    db: Db = DEFAULT_DB,
) -> None:
    """End the study: its links take no more changes, and its reviews go into the store."""
    from cxr.miner.kit.console import say
    from cxr.miner.review.take_in import once_free, take_in

    with _open(db, book) as opened:
        opened.finish()
        closed_at = opened.study().closed_at
        say(f"the study was closed at {closed_at}; its links open nothing any more")
        taken = once_free(lambda: take_in(db, opened), wait, say)
    for told in taken.told:
        say(told)
    say(f"{taken.written:,} reviews taken into {db}, {taken.reviews - taken.written:,} were there already")
    if taken.stale:
        say(f"{taken.stale:,} of the chains were made anew since they were read: their reviews do not count")


def _open(db: Path, book: Path | None) -> "ReviewBook":
    from cxr.miner.review.book import ReviewBook
    from cxr.miner.review.draw import book_path

    return ReviewBook(book or book_path(db))
