"""Reviews go into the store: what was taken in already is not written again, and another holder is waited for.

The running server does this while its readers save, `cxr import reviews` with a book or a file.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from cxr.miner.kit.errors import StoreError, StoreLocked
from cxr.miner.kit.sql import read_sql
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.draw import demand_store, renew
from cxr.miner.review.reviews import Review, reviews_in
from cxr.miner.review.verify import demand_whole
from cxr.miner.store import Run, Store

Result = TypeVar("Result")

_SQL = read_sql("cxr.miner.review")
_EVERY_SECONDS = 0.5
_WHOSE = "(coalesce(review_study, ''), coalesce(item_id, chain_id), reviewer, coalesce(round, 'first'))"
"""What a review takes the place of: the same reader's, of the same item in the same round and study."""

_Columns = Mapping[str, pl.DataType | type[pl.DataType]]
_STEPS = pl.List(pl.Struct({"step_no": pl.Int32, "verdict": pl.String, "attribute": pl.String}))
_SHARED: _Columns = {
    "review_study": pl.String, "item_id": pl.String, "chain_id": pl.String, "fingerprint": pl.String,
    "reviewer": pl.String, "round": pl.String, "cannot_judge": pl.Boolean, "comment": pl.String,
    "seconds": pl.Float64, "reviewed_at": pl.Datetime,
}  # fmt: skip
_OF_CHAINS: _Columns = {
    **_SHARED, "factuality": pl.Float64, "validity": pl.Float64, "completeness": pl.Float64, "steps": _STEPS,
    "missing": pl.String,
}  # fmt: skip
_OF_FINDINGS: _Columns = {
    **_SHARED, "study_id": pl.String, "observation": pl.String, "status": pl.String, "verdict": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class TakenIn:
    """How many reviews there were, how many of them were new to the store or said something else before."""

    reviews: int
    written: int
    stale: int
    """Of chains that were made anew since they were read: they are kept, and do not count."""
    told: tuple[str, ...] = ()
    """What happened to the items, a sentence each."""


def take_in(db: Path, book: ReviewBook) -> TakenIn:
    """Take the finished reviews of a book into its store, and return how many; raises StoreLocked where it is held.

    Items of chains that were made anew meanwhile are renewed, or stale from now on. Any thread may call this while
    readers save. The store is not opened where neither it nor the book has changed since the last time, and not to
    write where it has all reviews already. Raises StoreError for another store, and for a book that was tampered with.
    """
    if book.taken is not None and book.taken[0] == _looks(db, book):
        return TakenIn(**{**asdict(book.taken[1]), "written": 0, "told": ()})
    with Store.read(db) as store:
        demand_store(book, store)
        _demand_same_log(store, book)
        told = renew(book, store)
        events, newest = book.head()
        reviews = [review for review in reviews_in(book) if review.round != "training"]
        stale, is_new = _stale(store, reviews), bool(_new(store, reviews))
    written = 0
    if is_new:
        demand_whole(book)
        settings = {"book": book.path.name, "review_study": book.study().review_study, "events": events, "head": newest}
        with Store.write(db) as store, store.run("review", settings) as run:
            run.attestation = [words for _, words in book.notes()] or None
            with store.transaction():
                written = write_reviews(store, reviews, run)
    taken = TakenIn(len(reviews), written, stale, tuple(told))
    if (events, newest) == book.head():  # else somebody saved meanwhile, and the next time has something to do
        book.taken = (_looks(db, book), taken)
    return taken


def _looks(db: Path, book: ReviewBook) -> object:
    """Return what changes where the store or the book does."""
    return db.stat().st_mtime_ns, db.stat().st_size, book.head()


def once_free(work: Callable[[], Result], seconds: float, told: Callable[[str], None]) -> Result:
    """Do what needs the store, and wait for so many seconds while another command holds it; raises StoreLocked then."""
    until = time.monotonic() + seconds
    has_told = False
    while True:
        try:
            return work()
        except StoreLocked as locked:
            if time.monotonic() >= until:
                raise
            if not has_told:
                told(f"{locked}; waiting for it")
                has_told = True
        time.sleep(_EVERY_SECONDS)


def write_reviews(store: Store, reviews: Sequence[Review], run: Run) -> int:
    """Write reviews that the store does not have as they are, within a transaction, and return how many.

    A reader's review of an item in a round is one row, and what they say later takes its place.
    """
    new = _new(store, reviews)
    for table, columns in (("reviews", _OF_CHAINS), ("finding_reviews", _OF_FINDINGS)):
        frame = _frame([review for review in new if (review.what == "chain") == (table == "reviews")], columns)
        if frame.height:
            store.replace_temporary("incoming_reviews", frame)
            store.connection.execute(f"delete from {table} where {_WHOSE} in (select {_WHOSE} from incoming_reviews)")
            store.insert(table, frame)
    run.rows_written += len(new)
    return len(new)


def _demand_same_log(store: Store, book: ReviewBook) -> None:
    """Raise StoreError where the log has lost or changed lines that were in it when it was last taken in."""
    for number, newest in store.rows(_SQL["taken_before"], {"review_study": book.study().review_study}):
        if [(newest,)] != book.rows("select hash from events where no = ?", number):
            raise StoreError(
                f"{book.path} is not the book that was taken in before: line {number} of its log is another, or gone; "
                "put back a copy"
            )


def _new(store: Store, reviews: Sequence[Review]) -> list[Review]:
    """Return the reviews of which the store has no row that is the same."""
    new: list[Review] = []
    for table, columns in (("reviews", _OF_CHAINS), ("finding_reviews", _OF_FINDINGS)):
        mine = [review for review in reviews if (review.what == "chain") == (table == "reviews")]
        if not mine:
            continue
        names = ", ".join(columns)
        there = {str(row) for row in store.rows(f"select {names} from {table}")}
        new += [review for review, row in zip(mine, _frame(mine, columns).rows(), strict=True) if str(row) not in there]
    return new


def _stale(store: Store, reviews: Sequence[Review]) -> int:
    read = {(review.chain_id, review.fingerprint) for review in reviews if review.what == "chain"}
    today = set(store.rows(_SQL["today"], {"chains": [chain for chain, _ in read]}))
    return len({(chain, fingerprint) for chain, fingerprint in read if fingerprint is not None} - today)


def _frame(reviews: Sequence[Review], columns: _Columns) -> pl.DataFrame:
    rows = [{name: value for name, value in review.model_dump().items() if name in columns} for review in reviews]
    return pl.DataFrame(rows, schema=dict(columns))
