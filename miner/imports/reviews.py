"""Reviews from elsewhere: our own export, Label Studio's of what `cxr export label-studio` wrote, another review book.

Three axes from -10 to 10, as in the paper (section 2). A reviewer who reviews a chain again replaces the earlier word.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cxr.miner.imports.records import read_list
from cxr.miner.imports.rejects import by_reason, replace_rejects, what_is_wrong
from cxr.miner.kit.errors import BadRecord, InputError
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.reviews import Review, reviews_in
from cxr.miner.review.state import AXES
from cxr.miner.review.take_in import write_reviews
from cxr.miner.review.verify import demand_whole
from cxr.miner.store import Store
from cxr.schemas.rejection import Reject
from cxr.schemas.vocabulary import RejectReason

_SQLITE = b"SQLite format 3\0"
_WANTED = "an export by `cxr review export`, Label Studio's JSON export, or a review book"

Given = Iterator[tuple[str, Callable[[], Review]]]
"""The number of a record, and what reads it."""


@dataclass(frozen=True)
class ReviewsResult:
    """How many reviews there were and of how many chains or findings, how many were written, and rejects by reason."""

    reviews: int
    chains: int
    findings: int
    written: int
    rejects: dict[str, int]


def import_reviews(store: Store, source: Path) -> ReviewsResult:
    """Write the reviews of a file into the store; what it has already as it is stays.

    Raises InputError where the file is none of those that hold reviews, StoreError for a book that was tampered with.
    """
    if not source.is_file():
        raise InputError(f"{source} is not a file; expected {_WANTED}")
    chains = {chain for (chain,) in store.rows("select chain_id from chains")}
    studies = {study for (study,) in store.rows("select study_id from studies")}
    reviews: dict[tuple[object, ...], Review] = {}
    rejects: list[Reject] = []
    for key, read in _in_book(source) if _is_book(source) else _in_list(source):
        try:
            review = read()
            if review.round == "training":
                continue
            if review.what == "chain" and review.chain_id not in chains:
                raise BadRecord(RejectReason.UNKNOWN_CHAIN, f"no chain {review.chain_id} in this store")
            if review.what == "finding" and review.study_id not in studies:
                raise BadRecord(RejectReason.UNKNOWN_STUDY, f"no study {review.study_id} in this store")
        except BadRecord as bad:
            rejects.append(Reject(f"{source.name}:{key}", bad.reason, bad.message))
        except ValidationError as error:
            message = what_is_wrong(error, named=True)
            rejects.append(Reject(f"{source.name}:{key}", RejectReason.BAD_VALUE, message))
        else:
            of = review.item_id or review.chain_id
            reviews[review.review_study, of, review.reviewer, review.round] = review
    with store.run("import reviews", {"file": source.name}) as run, store.transaction():
        written = write_reviews(store, list(reviews.values()), run)
        replace_rejects(store, "reviews", source.name, rejects, run)
    of_chains = {review.chain_id for review in reviews.values() if review.what == "chain"}
    of_findings = {review.item_id for review in reviews.values() if review.what == "finding"}
    return ReviewsResult(len(reviews), len(of_chains), len(of_findings), written, by_reason(rejects))


def _is_book(source: Path) -> bool:
    with source.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _in_book(source: Path) -> Given:
    with ReviewBook(source) as book:
        demand_whole(book)
        for number, review in enumerate(list(reviews_in(book)), start=1):
            yield str(number), review.model_copy


def _in_list(source: Path) -> Given:
    for number, record in enumerate(read_list(source, f"{_WANTED}, a list or lines of it"), start=1):
        if isinstance(record, dict) and "reviewer" in record:
            yield str(number), partial(Review.model_validate, record)
            continue
        annotations = record.get("annotations") if isinstance(record, dict) else None
        for annotation in annotations if isinstance(annotations, list) else [None]:
            yield str(number), partial(_review, record, annotation)


def _review(task: object, annotation: object) -> Review:
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise BadRecord(RejectReason.WRONG_FIELDS, f"a task without data; expected {_WANTED}")
    if not isinstance(annotation, dict) or not isinstance(annotation.get("result"), list):
        raise BadRecord(RejectReason.WRONG_FIELDS, "a task that nobody has annotated")
    given: dict[str, Any] = {}
    for part in annotation["result"]:
        if isinstance(part, dict) and isinstance(part.get("value"), dict):
            given[str(part.get("from_name"))] = _value(part["value"])
    missing = [axis for axis in AXES if axis not in given]
    if missing:
        raise BadRecord(RejectReason.WRONG_FIELDS, f"no score for {', '.join(missing)}")
    return Review(
        chain_id=str(task["data"].get("chain_id", "")),
        reviewer=_reviewer(annotation.get("completed_by")),
        reviewed_at=annotation.get("updated_at") or annotation.get("created_at"),
        comment=given.get("comment"),
        **{axis: given[axis] for axis in AXES},
    )


def _value(value: Mapping[str, Any]) -> object:
    text = value.get("text")
    return value.get("number", " ".join(map(str, text)) if isinstance(text, list) else text)


def _reviewer(who: object) -> str:
    """Return a reviewer's name: Label Studio writes an id, or a person with id and e-mail address."""
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    return "unknown" if who is None else str(who)
