"""A review: what one reader said of one item in one round, when they were done; in the book, in files, in the store."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from cxr.miner.review.book import ReviewBook
from cxr.miner.review.events import loaded
from cxr.miner.review.state import AXES, HIGHEST, LOWEST, STEP_ATTRIBUTES, STEP_VERDICTS, State, empty_state, state_of
from cxr.schemas.base import Frozen
from cxr.schemas.vocabulary import Verdict

ROUNDS = ("first", "repeat", "adjudication", "training")


class StepMark(Frozen):
    """What a reader marked of one step."""

    step_no: int = Field(ge=1)
    verdict: str
    attribute: str | None = None

    @field_validator("verdict")
    @classmethod
    def _is_verdict(cls, given: str) -> str:
        if given not in STEP_VERDICTS:
            raise ValueError(f"expected one of {', '.join(STEP_VERDICTS)}")
        return given

    @field_validator("attribute")
    @classmethod
    def _is_attribute(cls, given: str | None) -> str | None:
        if given is not None and given not in STEP_ATTRIBUTES:
            raise ValueError(f"expected one of {', '.join(STEP_ATTRIBUTES)}")
        return given


class Review(Frozen):
    """One reader's finished judgement of a chain or a finding, in one round."""

    review_study: str | None = None
    item_id: str | None = None
    what: str = "chain"
    chain_id: str | None = None
    study_id: str | None = None
    observation: str | None = None
    status: str | None = None
    fingerprint: str | None = None
    reviewer: str = Field(min_length=1)
    round: str = "first"
    factuality: float | None = Field(default=None, ge=LOWEST, le=HIGHEST)
    validity: float | None = Field(default=None, ge=LOWEST, le=HIGHEST)
    completeness: float | None = Field(default=None, ge=LOWEST, le=HIGHEST)
    verdict: Verdict | None = None
    cannot_judge: bool = False
    steps: tuple[StepMark, ...] = ()
    missing: str | None = None
    comment: str | None = None
    seconds: float | None = Field(default=None, ge=0)
    reviewed_at: datetime | None = None

    @field_validator("round")
    @classmethod
    def _is_round(cls, given: str) -> str:
        if given not in ROUNDS:
            raise ValueError(f"expected one of {', '.join(ROUNDS)}")
        return given

    @field_validator("reviewed_at")
    @classmethod
    def _in_utc(cls, given: datetime | None) -> datetime | None:
        """Return a time as a store keeps it: in UTC, without a zone."""
        return given if given is None or given.tzinfo is None else given.astimezone(UTC).replace(tzinfo=None)

    @model_validator(mode="after")
    def _says_what_and_how(self) -> Self:
        of_chain = self.what == "chain"
        if self.what not in {"chain", "finding"}:
            raise ValueError("expected a review of a chain or of a finding")
        if not all([self.chain_id] if of_chain else [self.item_id, self.study_id, self.observation, self.status]):
            raise ValueError("expected the chain that it is of" if of_chain else "expected the finding that it is of")
        wanted = AXES if of_chain else ("verdict",)
        if not self.cannot_judge and (lacks := [name for name in wanted if getattr(self, name) is None]):
            raise ValueError(f"no score for {', '.join(lacks)}")
        return self

    def state(self) -> State:
        """Return the review as the page knows it."""
        return {
            **empty_state(),
            **{axis: None if (score := getattr(self, axis)) is None else round(score) for axis in AXES},
            "cannot_judge": self.cannot_judge,
            "comment": self.comment or "",
            "missing": self.missing or "",
            "steps": {str(mark.step_no): mark.model_dump(exclude={"step_no"}) for mark in self.steps},
            "verdict": self.verdict,
            "done": True,
        }


def reviews_in(book: ReviewBook) -> Iterator[Review]:
    """Return the reviews in a book that are done, reader by reader in the order of their queues; of training too."""
    review_study = book.study().review_study
    items = {item.item_id: item for item in book.items()}
    spent = dict(_keyed(book.rows("select reader, position, sum(seconds) from events group by 1, 2")))
    done_at = dict(
        _keyed(
            book.rows(
                "select reader, position, at from events where no in "
                "(select max(no) from events where field in ('done', 'final.done') group by reader, position)"
            )
        )
    )
    marks: dict[tuple[str, int], dict[str, Any]] = {}
    for reader, position, field, value in book.rows("select reader, position, field, value from marks"):
        marks.setdefault((reader, position), {})[field] = loaded(value)
    for reader in book.readers():
        for place in book.queue(reader):
            key = (reader, place.position)
            if not place.is_done:
                continue
            item = items[place.item_id]
            yield Review(
                review_study=review_study,
                item_id=item.item_id,
                what=item.content["what"],
                chain_id=item.chain_id,
                study_id=item.study_id,
                **item.content["finding"] or {},
                fingerprint=item.fingerprint,
                reviewer=reader,
                round=place.round,
                seconds=spent.get(key, 0.0),
                reviewed_at=done_at.get(key),
                **_said(state_of(marks.get(key, {}), place.round)),
            )


def _keyed(rows: list[Any]) -> Iterator[tuple[tuple[str, int], Any]]:
    return (((reader, position), value) for reader, position, value in rows)


def _said(state: State) -> dict[str, Any]:
    """Return what a review says at last: of an adjudication the final word, with what was only marked before it."""
    last = state.get("final") or state
    steps = last["steps"] or state["steps"]
    return {
        **{name: None if last["cannot_judge"] else last[name] for name in (*AXES, "verdict")},
        "cannot_judge": last["cannot_judge"],
        "steps": [StepMark(step_no=int(number), **mark) for number, mark in sorted(steps.items(), key=_number)],
        "missing": last["missing"] or state["missing"] or None,
        "comment": last["comment"] or state["comment"] or None,
    }


def _number(step: tuple[str, Any]) -> int:
    return int(step[0])
