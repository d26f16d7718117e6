"""Attempts at a model server as rows of a store's `calls`."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cxr.miner.kit.digest import digest
from cxr.miner.llm.books import Account
from cxr.miner.llm.settings import ServerSettings, replies_folder
from cxr.miner.store import Run, Store
from cxr.schemas.call import Call
from cxr.schemas.vocabulary import Licence

if TYPE_CHECKING:
    from cxr.miner.llm.background import BackgroundClient
    from cxr.miner.llm.ledger import Ledger

# The server libraries load when an account is opened: who judges by rules keeps books too, and opens none.


class StoreBooks:
    """Attempts as rows of a store's `calls`, with a ledger beside it for those that a kill catches in flight.

    A stage tells whose run it is (`owned_by`), writes what has gathered in its own transactions (`insert`), and says
    when that is committed (`committed`).
    """

    def __init__(self, store: Store, stage: str, licences: Sequence[Licence] = (), *, ledger: str = "attempts") -> None:
        """Take what the ledger's file is called behind the store's name: two who ask at once have one each."""
        self._store, self._stage, self._name = store, stage, ledger
        self.licences = licences
        self._attempts: list[Call] = []
        self._taken = 0
        self._run: Run | None = None
        self.owner: dict[str, str] = {}
        """Run and settings that the attempts from now on belong to."""
        self.client: BackgroundClient | None = None
        self._ledger: Ledger | None = None

    def job(self, name: str, version: str) -> str:
        """Return the `settings_hash` under which calls and rejects of this stage are kept."""
        return digest(self._stage, name, version)

    @contextlib.contextmanager
    def account(self, settings: ServerSettings, job: str) -> Iterator[Account]:
        """Open the account of a job; what an earlier run could not store is brought in first."""
        from cxr.miner.llm.cache import ReplyCache
        from cxr.miner.llm.ledger import Ledger
        from cxr.miner.llm.spending import recover_attempts, spent_on

        path = self._store.path
        folder = replies_folder(path, settings.cache)
        place = ledger_path(path, self._name)
        with ReplyCache(folder) as cache, Ledger(place) as ledger:
            recover_attempts(self._store, ledger, place, cache, settings, job)
            self._ledger = ledger
            yield Account(cache, spent_on(self._store, job), ledger, self._attempts.append)

    def owned_by(self, run: Run, job: str) -> None:
        """Remember which run the attempts from now on belong to."""
        self._run, self.owner = run, {"run_id": run.run_id, "settings_hash": job}
        if self.client is not None:
            self.client.owned_by(self.owner)

    @property
    def gathered(self) -> int:
        """How many attempts wait to be written."""
        return len(self._attempts)

    def insert(self) -> None:
        """Write what has gathered into `calls`, inside the caller's transaction."""
        from cxr.miner.llm.calls import insert_calls

        if self._run is not None:
            self._taken = insert_calls(self._store, ((call, self.owner) for call in list(self._attempts)))

    def committed(self) -> None:
        """Forget what the transaction wrote, here and in the ledger; note what let text leave the machine."""
        written = self._attempts[: self._taken]
        del self._attempts[: self._taken]
        self._taken = 0
        if self._ledger is not None:
            self._ledger.stored(call.call_id for call in written)
        if self._run is not None and self.client is not None:
            self._run.attestation = list(self.client.attestations_used) or None
            self._run.capabilities = self.client.capabilities


def ledger_path(store: Path, name: str = "attempts") -> Path:
    """Return the file of a store's attempts; it is the store's own even where the cache is shared."""
    return store.with_name(f"{store.name}.{name}")
