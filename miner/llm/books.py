"""Where attempts at a model server are written down and their cost is counted: beside an output, or in a store.

Everybody who asks a server opens an account in such books first, so that limits on spending hold across stages, runs,
failures and kills. Here are the books of file commands; those of a store are in `store_books.py`.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cxr.miner.kit.console import say
from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.files import append
from cxr.miner.llm.policy import check_endpoint
from cxr.miner.llm.settings import ServerSettings
from cxr.schemas.call import Call
from cxr.schemas.vocabulary import Licence

if TYPE_CHECKING:
    from cxr.miner.llm.background import BackgroundClient
    from cxr.miner.llm.budget import Spent
    from cxr.miner.llm.cache import ReplyCache
    from cxr.miner.llm.ledger import Ledger

# The server libraries load when an account is opened: who judges by rules keeps books too, and opens none.

REPLIES = "cxr.replies"
"""The folder of replies beside an output; `cxr mine` beside a store of the default name keeps them there too."""


@dataclass(frozen=True)
class Account:
    """One job at one server: its replies, what it has spent, and where each attempt goes."""

    cache: "ReplyCache"
    spent: "Spent"
    ledger: "Ledger"
    write: Callable[[Call], None]


class Books(Protocol):
    """A place for attempts."""

    licences: Sequence[Licence]
    """Those of the text that may be sent."""
    client: "BackgroundClient | None"
    """Through whom attempts are made; None before a connection was opened."""

    def job(self, name: str, version: str) -> str:
        """Return the job that somebody's spending belongs to."""

    def account(self, settings: ServerSettings, job: str) -> contextlib.AbstractContextManager[Account]:
        """Open the account of a job."""


@contextlib.contextmanager
def open_client(settings: ServerSettings, books: Books, job: str) -> Iterator["BackgroundClient"]:
    """Open a connection for callers that wait for each reply; what it does is written into the books.

    Raises SettingsError without a model or key, PolicyError where text of one of the licences may not go there,
    before anything is sent.
    """
    from cxr.miner.llm.background import BackgroundClient

    for licence in books.licences:
        check_endpoint(settings.base_url, licence, settings.attestations)
    with books.account(settings, job) as account, BackgroundClient(settings, account) as client:
        books.client = client
        yield client


class FileBooks:
    """Attempts as lines of `<output>.calls.jsonl`; limits count what earlier runs for the same output have used.

    While a server is asked, `<output>.calls.open` is the ledger of what is in flight; a run that was killed leaves it,
    and the next for the same output brings what it tells into the lines.
    """

    def __init__(self, output: Path, licences: Sequence[Licence] = (Licence.CREDENTIALED,)) -> None:
        self._output = output
        self.log = output.with_name(output.name + ".calls.jsonl")
        self._in_flight = output.with_name(output.name + ".calls.open")
        self.licences = licences
        self.client: BackgroundClient | None = None

    def job(self, name: str, version: str) -> str:
        """Return the job; a file holds the attempts of one output, told apart by model."""
        return digest(name, version)

    @contextlib.contextmanager
    def account(self, settings: ServerSettings, job: str) -> Iterator[Account]:  # noqa: ARG002 - see `job`
        """Open the account of the output; raises InputError where its folder does not exist."""
        from cxr.miner.llm.cache import ReplyCache
        from cxr.miner.llm.ledger import Ledger

        if not self._output.parent.is_dir():
            raise InputError(
                f"the folder {self._output.parent} for {self._output.name} does not exist; create it or write elsewhere"
            )
        folder = settings.cache if settings.cache is not None else self._output.with_name(REPLIES)
        with ReplyCache(folder) as cache, Ledger(self._in_flight) as ledger:
            self._recover(ledger, cache, settings)
            yield Account(cache, _spent_in(self.log, settings.named_model), ledger, partial(self._write, ledger))
        self._in_flight.unlink(missing_ok=True)  # every call has ended

    @property
    def spending(self) -> str | None:
        """What was asked so far, as a sentence for people; None where no server was opened."""
        return None if self.client is None else self.client.spending

    @property
    def attestations_used(self) -> tuple[str, ...]:
        """What has allowed credentialed text or images to leave this machine so far, as JSON; empty if none did."""
        return () if self.client is None else self.client.attestations_used

    def _write(self, ledger: "Ledger", call: Call) -> None:
        append(self.log, (call.model_dump_json() + "\n").encode())
        ledger.stored([call.call_id])

    def _recover(self, ledger: "Ledger", cache: "ReplyCache", settings: ServerSettings) -> None:
        """Bring what an earlier run left in flight into the lines."""
        from cxr.miner.llm.unstored import unstored

        left = unstored(self._in_flight, cache, settings, lambda: (call.call_id for call in _told_in(self.log)[0]))
        if left:
            append(self.log, "".join(f"{call.model_dump_json()}\n" for call, _ in left).encode())
        ledger.clear()


def _told_in(log: Path) -> tuple[list[Call], list[bytes]]:
    """Return the calls of a log, and the lines that are damaged or were cut off by a kill; its last line is ended."""
    from cxr.miner.llm.ledger import call_of, told_and_broken

    if not log.exists():
        return [], []
    data = log.read_bytes()
    if data and not data.endswith(b"\n"):
        append(log, b"\n")  # so that the next line does not hang on to half a one
    return told_and_broken(data, call_of)


def _spent_in(log: Path, model: str) -> "Spent":
    """Return what earlier runs for the same output have used of this model.

    A line that was cut off by a kill, or damaged, is a call of unknown cost, and is said.
    """
    from cxr.miner.llm.budget import Spent
    from cxr.miner.llm.ledger import unreadable, unreadable_said

    calls, broken = _told_in(log)
    if lost := unreadable(broken, {call.call_id for call in calls}):
        say(unreadable_said(log, lost))
    costs = [call.cost_usd for call in calls if call.model == model and not call.cache_hit]
    usd = sum(cost for cost in costs if cost is not None)
    return Spent(usd=usd, calls=len(costs) + lost, unknown=sum(cost is None for cost in costs) + lost)
