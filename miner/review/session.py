"""One run of `cxr review`: a book is served, and its store takes the reviews in whenever it is free."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

from cxr.miner.kit import faults
from cxr.miner.kit.errors import CxrError, PolicyError, StoreError, StoreLocked
from cxr.miner.llm.policy import is_here
from cxr.miner.review.app import Application
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.guard import names_of
from cxr.miner.review.pixels import Pixels
from cxr.miner.review.reach import Reach, demand_reach
from cxr.miner.review.server import listen, origin_of, serve
from cxr.miner.review.take_in import once_free, take_in
from cxr.miner.store import Store

TAKEN_IN_EVERY_S = 60.0
LAST_WAIT_S = 5.0
"""How long the end waits for a store that another command holds: whoever stopped the server wants it to end."""

_LOOKED_AT = 20
"""So many items show what kind of images a study has."""

_LICENCES = "select distinct coalesce(licence, 'credentialed') from studies where list_contains(?, study_id)"

Say = Callable[[str], None]


class Session:
    """A book, its store, and what is to be told."""

    def __init__(self, db: Path, book: ReviewBook, say: Say) -> None:
        self._db, self._book, self.say = db, book, say
        self._told = ""

    def licences(self, address: str) -> set[str]:
        """Return the licences of what is shown: as drawn, and for elsewhere than here as the store has it now too."""
        licences = self._book.licences()
        if not is_here(address):
            studies = [item.study_id for item in self._book.items()]
            with Store.read(self._db) as store:
                licences |= {licence for (licence,) in store.rows(_LICENCES, [studies])}
        return licences

    def note(self, address: str, word: str | None) -> None:
        """Note in `runs` that the study is served, and the word that allows it elsewhere than on this machine.

        A store that is held is no reason not to serve here. Elsewhere nothing is shown before its word is noted:
        raises PolicyError where it cannot be.
        """
        served = {"served": address, "book": self._book.path.name, "review_study": self._book.study().review_study}
        try:
            with Store.write(self._db) as store, store.run("review", served) as run:
                run.attestation = None if word is None else [word]
        except StoreLocked as locked:
            if word is not None:
                raise PolicyError(f"{locked}; who allows the study to be shown at {address} is noted first") from None
        if word is not None:
            self._book.note("attestation", word)

    def take_in(self) -> None:
        """Take finished reviews into the store where it is free; tells what stops it, once."""
        try:
            for told in take_in(self._db, self._book).told:
                self.say(told)
        except StoreLocked:
            return
        except Exception as error:  # noqa: BLE001 - readers go on, whatever is wrong with the store
            said = str(error) if isinstance(error, CxrError) else faults.sentence(error) or faults.defect(error)
            if said != self._told:
                self._told = said
                self.say(said)

    def end(self) -> None:
        """Take in the last reviews, and tell how far the study is; raises StoreError where the store is in the way."""
        done, of = self._progress()
        self.say(f"{done:,} of {of:,} reviews are done; the same command goes on, with the same links")
        try:
            taken = once_free(lambda: take_in(self._db, self._book), LAST_WAIT_S, self.say)
        except CxrError as error:
            raise StoreError(
                f"{error}; all reviews are safe in {self._book.path}, and `cxr import reviews {self._book.path}` takes "
                "them into the store"
            ) from None
        for told in taken.told:
            self.say(told)
        self.say(f"{taken.reviews:,} reviews are in {self._db}")
        if taken.stale:
            self.say(f"{taken.stale:,} of them are of chains that were made anew since, and do not count")

    def _progress(self) -> tuple[int, int]:
        found = [self._book.progress(reader) for reader in self._book.readers()]
        return sum(one.done for one in found), sum(one.of for one in found)


def run_session(session: Session, book: ReviewBook, reach: Reach, show: Callable[[str], None]) -> None:
    """Serve a book until the process is told to end, then take in what was said; `show` gets the server's address.

    Raises PolicyError where the study may not be shown there, InputError where nobody can listen.
    """
    word = demand_reach(reach, session.licences(reach.address))
    pixels = Pixels()
    pixels.begin([path for item in islice(book.items(), _LOOKED_AT) for path in item.images])
    try:
        with listen(reach.address, reach.port) as listening:
            session.note(reach.address, word)
            if not is_here(reach.address):
                session.say("pictures, reports and links cross the network unencrypted; a tunnel (`ssh -L`) is better")
            app = Application(book, names_of(reach.address), pixels).asgi
            origin = origin_of(listening)
            serve(app, listening, lambda: show(origin), session.take_in, TAKEN_IN_EVERY_S)
    finally:
        pixels.close()
    session.end()
