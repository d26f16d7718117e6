"""Whether a review book is as it was written: every line of its log, what the lines come to, and what was shown."""

from cxr.miner.kit.errors import StoreError
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.events import Event, beginning, canonical, digest_of

_OURS = frozenset({"asked", "joined", "stale", "renewed", "closed"})


def problem_of(book: ReviewBook) -> str | None:
    """Return what is not as it was written, None where all is: lines, the newest values, and the items as shown."""
    events = [Event(*row) for row in book.rows(f"select {', '.join(Event._fields)} from events order by no")]
    ((*study, begins),) = book.rows("select review_study, store, what, settings, drawn_at, beginning from study")
    shown = dict(book.rows("select item_id, digest from items"))
    for item_id, content, digest in book.rows("select item_id, content, digest from items"):
        if digest_of(content) != digest:
            return f"what item {item_id} shows was changed after it was drawn"
    if beginning(study, _as_drawn(shown, events)) != begins:
        return "the study is not as it was drawn"
    previous = begins
    for number, event in enumerate(events, start=1):
        if event.no != number or event.previous != previous or digest_of(canonical(list(event[:-1]))) != event.hash:
            return f"line {number} of its log is not as it was written"
        previous = event.hash
    newest = {
        (event.reader, event.position, event.field): event.new
        for event in events
        if event.reader and event.field not in _OURS
    }
    marks = {tuple(row[:3]): row[3] for row in book.rows("select reader, position, field, value from marks")}
    return None if marks == newest else "what readers said was changed beside its log"


def demand_whole(book: ReviewBook) -> None:
    """Raise StoreError where a book is not as it was written."""
    if problem := problem_of(book):
        raise StoreError(
            f"{book.path} was changed by something else than cxr: {problem}; put back a copy; "
            "`cxr review export FILE` still writes what it says, which `cxr import reviews` takes"
        )


def _as_drawn(shown: dict[str, str], events: list[Event]) -> dict[str, str]:
    """Return the digests of the items before any was drawn anew."""
    drawn = dict(shown)
    for event in reversed(events):
        if event.field == "renewed" and event.old is not None:
            drawn[event.item_id] = event.old.strip('"')
    return drawn
