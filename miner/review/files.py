"""What a book holds as JSON Lines: its reviews, its log, or what readers agreed on as gold for a judge."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from cxr.miner.kit.files import whole_path
from cxr.miner.kit.jsonl import json_line
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.events import Event
from cxr.miner.review.reviews import Review, reviews_in

Line = dict[str, Any]


class Form(StrEnum):
    """What a line of an export is."""

    REVIEWS = "reviews"
    """A review that is done, without text of a report: `cxr import reviews` reads it, and `--training`."""
    LOG = "log"
    """A change, with its hash."""
    GOLD = "gold"
    """A study's report and its findings, each with the verdict on which its readers agree: as `cxr judge` reads it."""


def export_book(book: ReviewBook, target: Path, form: Form = Form.REVIEWS) -> int:
    """Write a book's lines in a form, and return how many; raises InputError where the file cannot be written.

    Its owner alone can read the file.
    """
    lines = list(_LINES[form](book))
    with whole_path(target, private=True) as partial, partial.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(json_line(line) for line in lines)
    return len(lines)


def _reviews(book: ReviewBook) -> Iterator[Line]:
    return (review.model_dump(mode="json", exclude_none=True) for review in reviews_in(book))


def _log(book: ReviewBook) -> Iterator[Line]:
    rows = book.rows(f"select {', '.join(Event._fields)} from events order by no")
    return (Event(*row)._asdict() for row in rows)


def _gold(book: ReviewBook) -> Iterator[Line]:
    said: dict[str, list[Review]] = {}
    for review in reviews_in(book):
        if review.what == "finding" and review.round in {"first", "adjudication"}:
            said.setdefault(str(review.item_id), []).append(review)
    lines: dict[str, Line] = {}
    for item in book.items():
        if item.item_id in said:
            line = lines.setdefault(
                item.study_id, {"id": item.study_id, "report": _report(item.content), "findings": []}
            )
            line["findings"].append({**item.content["finding"], "verdict": _agreed(said[item.item_id])})
    return iter(lines.values())


def _report(content: Mapping[str, Any]) -> str:
    return next(str(report["text"]) for report in content["reports"] if report["which"] == "current")


def _agreed(reviews: list[Review]) -> str | None:
    """Return the adjudicator's verdict, else the one that all first readers gave, else None."""
    final = [review.verdict for review in reviews if review.round == "adjudication"]
    verdicts = set(final or [review.verdict for review in reviews])
    return verdicts.pop() if len(verdicts) == 1 else None


_LINES = {Form.REVIEWS: _reviews, Form.LOG: _log, Form.GOLD: _gold}
