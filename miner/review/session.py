"""One run of `cxr review`: a book is served, and its store takes the reviews in whenever it is free."""

from collections.abc import Callable
from pathlib import Path

from cxr.miner.kit.errors import CxrError, PolicyError, StoreError, StoreLocked
from cxr.miner.review.app import Application
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.guard import names_of
from cxr.miner.review.pixels import Pixels
from cxr.miner.review.reach import demand_reach
from cxr.miner.review.server import listen, origin_of, serve
from cxr.miner.review.take_in import once_free, take_in
from cxr.miner.store import Store

TAKEN_IN_EVERY_S = 60.0
LAST_WAIT_S = 5.0
"""How long the end waits for a store that another command holds: whoever stopped the server wants it to end."""

Say = Callable[[str], None]


class Session:
    """A book, its store, and what is to be told."""

    def __init__(self, db: Path, book: ReviewBook, say: Say) -> None:
        self._db, self._book, self._say = db, book, say
        self._taken: tuple[int, str] | None = None
        """The head of the log when the store had it all."""
        self._told = ""

    def allow(self, address: str, signed_by: str | None, allowed_because: str | None) -> None:
        """Note in `runs` that the study is served, and what allows it elsewhere than here; raises PolicyError.

        A store that is held is no reason not to serve on this machine. Elsewhere nothing is shown before it is noted.
        """
        word = demand_reach(address, self._book.licences(), signed_by, allowed_because)
        served = {"served": address, "book": self._book.path.name, "review_study": self._book.study().review_study}
        if word is not None:
            self._book.note("attestation", word)
        try:
            with Store.write(self._db) as store, store.run("review", served) as run:
                run.attestation = None if word is None else [word]
        except StoreLocked as locked:
            if word is not None:
                raise PolicyError(f"{locked}; who allows the study to be shown at {address} is noted first") from None

    def take_in(self) -> None:
        """Take finished reviews into the store where it is free and there is anything new; tells what stops it, once."""
        head = self._book.head()
        if head == self._taken:
            return
        try:
            take_in(self._db, self._book)
        except StoreLocked:
            return
        except CxrError as error:
            if str(error) != self._told:
                self._told = str(error)
                self._say(self._told)
            return
        self._taken = head

    def end(self) -> None:
        """Take in the last reviews, and tell how far the study is; raises StoreError where the store is in the way."""
        done, of = self._progress()
        self._say(f"{done:,} of {of:,} reviews are done; the same command goes on, with the same links")
        try:
            taken = once_free(lambda: take_in(self._db, self._book), LAST_WAIT_S, self._say)
        except CxrError as error:
            raise StoreError(
                f"{error}; all reviews are safe in {self._book.path}, and `cxr import reviews {self._book.path}` takes "
                "them into the store"
            ) from None
        self._say(f"{taken.reviews:,} reviews are in {self._db}")
        if taken.stale:
            self._say(f"{taken.stale:,} of them are of chains that were made anew since, and do not count")

    def _progress(self) -> tuple[int, int]:
        found = [self._book.progress(reader) for reader in self._book.readers()]
        return sum(one.done for one in found), sum(one.of for one in found)


def run_session(session: Session, book: ReviewBook, address: str, port: int, show: Callable[[str], None]) -> None:
    """Serve a book until the process is told to end, then take in what was said; `show` gets the server's address."""
    pixels = Pixels()
    try:
        with listen(address, port) as listening:
            app = Application(book, names_of(address), pixels).asgi
            origin = origin_of(listening)
            serve(app, listening, lambda: show(origin), session.take_in, TAKEN_IN_EVERY_S)
    finally:
        pixels.close()
    session.end()
