"""A book's reviews as JSON Lines, and its log; no text of a report is in them, but what readers wrote themselves."""

from pathlib import Path

from cxr.miner.kit.files import whole_path
from cxr.miner.kit.jsonl import json_line
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.events import Event
from cxr.miner.review.reviews import reviews_in


def export_reviews(book: ReviewBook, target: Path) -> int:
    """Write a line for each review that is done, and return how many; raises InputError where it cannot be written.

    `cxr import reviews` reads it, and `cxr review --training`. Its owner alone can read it.
    """
    reviews = [review.model_dump(mode="json", exclude_none=True) for review in reviews_in(book)]
    _write(target, reviews)
    return len(reviews)


def export_log(book: ReviewBook, target: Path) -> int:
    """Write the log as it is, a line each with its hash, and return how many; raises InputError like the other."""
    rows = book.rows(f"select {', '.join(Event._fields)} from events order by no")
    _write(target, [Event(*row)._asdict() for row in rows])
    return len(rows)


def _write(target: Path, lines: list[dict[str, object]]) -> None:
    with whole_path(target, private=True) as partial, partial.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(json_line(line) for line in lines)
