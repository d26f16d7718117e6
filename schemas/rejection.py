"""Why something cannot enter the store."""

from typing import NamedTuple

from cxr.schemas.vocabulary import RejectReason


class Rejection(NamedTuple):
    """The message is one sentence fit for a model, a log and a table: it never holds words of a report."""

    reason: RejectReason
    message: str


class Reject(NamedTuple):
    """One input row that is not kept. The message never holds report text."""

    key: str
    reason: RejectReason
    message: str
