"""Whether a review book is as it was written: every line of its log, what the lines come to, and what was shown."""

from cxr.miner.kit.errors import StoreError
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.events import Event, beginning, canonical, digest_of

_OURS = frozenset({"asked", "joined", "stale", "renewed", "closed"})


def problem_of(book: ReviewBook) -> str | None:
    """Return what is not as it was written, None where all is: lines, the newest values, and the items as shown."""
    events = [Event(*row) for row in book.rows(f"select {', '.join(Event._fields)} from events order by no")]
    try:
        return _of_what_was_drawn(book, events) or _of_lines(book, events) or _of_what_they_come_to(book, events)
    except (TypeError, ValueError, AttributeError):  # a damaged file holds bytes and numbers where text was
        return "it holds what was never written into it"


def _of_what_was_drawn(book: ReviewBook, events: list[Event]) -> str | None:
    ((*study, begins),) = book.rows("select review_study, store, what, settings, drawn_at, beginning from study")
    shown = dict(book.rows("select item_id, digest from items"))
    for item_id, content, digest in book.rows("select item_id, content, digest from items"):
        if digest_of(content) != digest:
            return f"what item {item_id} shows was changed after it was drawn"
    return None if beginning(study, _as_drawn(shown, events)) == begins else "the study is not as it was drawn"


def _of_lines(book: ReviewBook, events: list[Event]) -> str | None:
    ((previous,),) = book.rows("select beginning from study")
    for number, event in enumerate(events, start=1):
        if event.no != number or event.previous != previous or digest_of(canonical(list(event[:-1]))) != event.hash:
            return f"line {number} of its log is not as it was written"
        previous = event.hash
    return None


def _of_what_they_come_to(book: ReviewBook, events: list[Event]) -> str | None:
    said = [event for event in events if event.reader and event.field not in _OURS]
    newest = {(event.reader, event.position, event.field): event.new for event in said}
    marks = {tuple(row[:3]): row[3] for row in book.rows("select reader, position, field, value from marks")}
    places = {(event.reader, event.position): (event.item_id, event.round) for event in said}
    done = {
        place: newest.get((*place, "final.done" if round_ == "adjudication" else "done")) == "true"
        for place, (_, round_) in places.items()
    }
    queued = {
        tuple(row[:2]): row[2:] for row in book.rows("select reader, position, item_id, round, is_done from places")
    }
    as_read = all(queued.get(place) == (*read, int(done[place])) for place, read in places.items())
    nothing_else = all(place in places or not is_done for place, (_, _, is_done) in queued.items())
    return None if marks == newest and as_read and nothing_else else "what readers said was changed beside its log"


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
