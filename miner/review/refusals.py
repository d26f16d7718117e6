"""Why a save is refused, each with one sentence that the page shows."""

from cxr.miner.kit.errors import CxrError, StoreError
from cxr.miner.review.state import State


class Conflict(CxrError):
    """A change begins from another value than the book has: another tab was faster."""

    def __init__(self, state: State) -> None:
        super().__init__("this was changed elsewhere in the meantime; what stands there now is shown")
        self.state = state


class StaleItem(CxrError):
    """What the reader has before them is no longer in the store as it was read."""

    def __init__(self, state: State) -> None:
        super().__init__("this chain was made anew since it was drawn, and is no longer reviewed; go on to the next")
        self.state = state


class StudyClosed(CxrError):
    """The study was closed, and takes no more changes."""


class UnknownPlace(CxrError):
    """A reader has no place of that number."""


class DiskRefused(StoreError):
    """The disk did not take a save: it is full, or can only be read; nothing of the save is in the book."""
