"""Reviews go into the store: what was taken in already is not written again, and another holder is waited for.

The running server does this while its readers save, `cxr import reviews` with a book or a file.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cxr.miner.kit.errors import StoreLocked
from cxr.miner.kit.sql import read_sql
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.draw import demand_store
from cxr.miner.review.reviews import Review, reviews_in
from cxr.miner.store import Run, Store

_SQL = read_sql("cxr.miner.review")
_EVERY_SECONDS = 0.5

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


def take_in(db: Path, book: ReviewBook) -> TakenIn:
    """Take the finished reviews of a book into its store, and return how many; raises StoreLocked where it is held.

    Any thread may call this while readers save. Nothing is opened for writing where the store has it all already.
    """
    reviews = [review for review in reviews_in(book) if review.round != "training"]
    with Store.read(db) as store:
        demand_store(book, store)
        if not _new(store, reviews):
            return TakenIn(len(reviews), 0, _stale(store, reviews))
    events, newest = book.head()
    settings = {"book": book.path.name, "review_study": book.study().review_study, "events": events, "head": newest}
    with Store.write(db) as store, store.run("review", settings) as run:
        run.attestation = [words for _, words in book.notes()] or None
        with store.transaction():
            written = write_reviews(store, reviews, run)
        return TakenIn(len(reviews), written, _stale(store, reviews))


def once_free(work: Callable[[], TakenIn], seconds: float, told: Callable[[str], None]) -> TakenIn:
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
            store.connection.execute(_SQL["replaced"].replace("$table", table))
            store.insert(table, frame)
    run.rows_written += len(new)
    return len(new)


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
