"""Radiologists' reviews of chains, from Label Studio's JSON export of `cxr export label-studio`.

Three axes from -10 to 10, as in the paper (section 2). A reviewer who reviews a chain again replaces the earlier word.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, ValidationError

from cxr.miner.imports.records import read_list
from cxr.miner.imports.rejects import by_reason, replace_rejects, what_is_wrong
from cxr.miner.kit.errors import BadRecord, InputError
from cxr.miner.store import Store
from cxr.schemas.base import Frozen
from cxr.schemas.rejection import Reject
from cxr.schemas.vocabulary import RejectReason

AXES = ("factuality", "validity", "completeness")


class Review(Frozen):
    """One radiologist's scores of one chain."""

    chain_id: str = Field(min_length=1)
    reviewer: str = Field(min_length=1)
    factuality: float = Field(ge=-10, le=10)
    validity: float = Field(ge=-10, le=10)
    completeness: float = Field(ge=-10, le=10)
    comment: str | None = None
    reviewed_at: datetime.datetime | None = None


@dataclass(frozen=True)
class ReviewsResult:
    """How many reviews were written, of how many chains, and rejects by reason."""

    reviews: int
    chains: int
    rejects: dict[str, int]


def import_reviews(store: Store, source: Path) -> ReviewsResult:
    """Write the reviews of a file into the store; raises InputError where it is no export of Label Studio."""
    if not source.is_file():
        raise InputError(f"{source} is not a file; expected Label Studio's JSON export")
    tasks = read_list(source, "Label Studio's JSON export, a list of tasks")
    known = {chain for (chain,) in store.rows("select chain_id from chains")}
    reviews: dict[tuple[str, str], Review] = {}
    rejects: list[Reject] = []
    for number, task in enumerate(tasks, start=1):
        annotations = task.get("annotations") if isinstance(task, dict) else None
        for annotation in annotations if isinstance(annotations, list) else [None]:
            try:
                review = _review(task, annotation)
                if review.chain_id not in known:
                    raise BadRecord(RejectReason.UNKNOWN_CHAIN, f"no chain {review.chain_id} in this store")
            except BadRecord as bad:
                rejects.append(Reject(f"{source.name}:{number}", bad.reason, bad.message))
            except ValidationError as error:
                message = what_is_wrong(error, named=True)
                rejects.append(Reject(f"{source.name}:{number}", RejectReason.BAD_VALUE, message))
            else:
                reviews[review.chain_id, review.reviewer] = review
    _write(store, source, list(reviews.values()), rejects)
    return ReviewsResult(len(reviews), len({chain for chain, _ in reviews}), by_reason(rejects))


def _review(task: object, annotation: object) -> Review:
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise BadRecord(RejectReason.WRONG_FIELDS, "a task without data; expected Label Studio's JSON export")
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


def _write(store: Store, source: Path, reviews: list[Review], rejects: list[Reject]) -> None:
    frame = pl.DataFrame(
        [review.model_dump() for review in reviews],
        schema_overrides={"reviewed_at": pl.Datetime, "comment": pl.String},
        infer_schema_length=None,
    )
    with store.run("import reviews", {"file": source.name}) as run, store.transaction():
        if reviews:
            store.replace_temporary("incoming_reviews", frame.select("chain_id", "reviewer"))
            store.connection.execute(
                "delete from reviews where (chain_id, reviewer) in (select (chain_id, reviewer) from incoming_reviews)"
            )
            run.rows_written = store.insert("reviews", frame)
        replace_rejects(store, "reviews", source.name, rejects, run)
