"""How far the readers of a study are, and what is still to be done."""

from statistics import median

from cxr.miner.review.book import ReviewBook


def progress_rows(book: ReviewBook) -> list[tuple[str, int, int, int, int, int, float | None]]:
    """Return per reader: places that are done, all of them, repeats done, adjudications to do, items not judged, time.

    The time is the median in seconds over places that are done, as the page counted them.
    """
    spent: dict[str, list[float]] = {}
    for reader, seconds in book.rows(
        "select reader, sum(seconds) from events join places using (reader, position) where is_done "
        "group by reader, position"
    ):
        spent.setdefault(reader, []).append(seconds)
    unjudged = dict(
        book.rows("select reader, count(*) from marks where field = 'cannot_judge' and value = 'true' group by 1")
    )
    rows = []
    for reader in book.readers():
        queue = book.queue(reader)
        rows.append(
            (
                reader,
                sum(place.is_done for place in queue),
                len(queue),
                sum(place.is_done for place in queue if place.round == "repeat"),
                sum(not place.is_done for place in queue if place.round == "adjudication"),
                unjudged.get(reader, 0),
                median(spent[reader]) if reader in spent else None,
            )
        )
    return rows


def progress_notes(book: ReviewBook) -> list[str]:
    """Return what else to tell of a study, a sentence each."""
    study = book.study()
    notes = [f"study {study.review_study} of {study.what}, drawn at {study.drawn_at}"]
    if study.closed_at is not None:
        notes.append(f"it was closed at {study.closed_at}")
    ((stale,),) = book.rows("select count(*) from items where is_stale")
    if stale:
        notes.append(f"{stale:,} items were made anew since they were read, and are not shown again")
    if waiting := book.waiting():
        notes.append(
            f"{waiting:,} items wait for a third reader, and there is none who has not met them; "
            "`cxr review --adjudicators NAME` adds one"
        )
    return notes
