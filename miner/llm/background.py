"""The client behind a blocking call: its event loop runs in a thread of its own, and any number of threads may ask.

For callers that are not asynchronous themselves, such as a judge. While they wait for their replies, the requests of
all of them are in flight at once.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future, wait
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from cxr.miner.kit.console import say
from cxr.miner.llm.asked import Stopping
from cxr.miner.llm.books import Account
from cxr.miner.llm.budget import Budget
from cxr.miner.llm.client import Client
from cxr.miner.llm.prices import price_of
from cxr.miner.llm.settings import ServerSettings
from cxr.miner.llm.wire import Wire, key_from_environment

P = ParamSpec("P")
T = TypeVar("T")


def waiting(
    asking: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["BackgroundClient", P], T]:
    """Return a method of the client as one that waits for its reply; raises what the method raises, and Stopping."""

    @wraps(asking)
    def ask(self: "BackgroundClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._lock:
            if self._ending:
                raise Stopping
            future = self._begin(asking(self._client, *args, **kwargs))
            self._asking.add(future)
        try:
            return future.result()
        finally:
            with self._lock:
                self._asking.discard(future)

    return ask


class BackgroundClient:
    """A client to be used in a `with`; leaving it waits for what is in flight, which is paid for and will be kept.

    Its account is written from the client's thread, once for every attempt and every reply from the cache.
    """

    def __init__(self, settings: ServerSettings, account: Account) -> None:
        """Raise SettingsError for a base URL that is none, a missing key, or a limit in USD without a price."""
        self.settings = settings
        self._cache = account.cache
        self._wire = Wire(settings, key_from_environment(settings))
        budget = Budget(settings, price_of(settings), account.spent)
        self._client = Client(settings, self._wire, account.cache, budget, account.ledger, on_call=account.write)
        self._asking: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self._ending = False

    @property
    def model(self) -> str:
        """The model's name at its server."""
        return self.settings.named_model

    @property
    def options(self) -> Mapping[str, object]:
        """What can change a reply, except for the words of prompts."""
        return self.settings.of_the_output()

    @property
    def attestations_used(self) -> tuple[str, ...]:
        """The attestations, as JSON, that let text of a credentialed corpus leave this machine so far."""
        return tuple(sorted(self._wire.attestations_used))

    @property
    def capabilities(self) -> dict[str, object]:
        """What the server was found to take so far, for `runs`."""
        return self._client.serving.capabilities.model_dump(mode="json", exclude_none=True)

    @property
    def spending(self) -> str:
        """What was asked so far, as a sentence for people."""
        counters, budget = self._client.counters, self._client.budget
        tokens = counters.prompt_tokens + counters.completion_tokens
        cost = "" if budget.price is None else f", ${budget.usd:.4f} with earlier runs"
        return f"{counters.calls:,} calls, {counters.cached:,} from the cache, {tokens:,} tokens{cost}"

    def owned_by(self, owner: dict[str, str]) -> None:
        """Remember which run and settings the attempts belong to, as the ledger keeps them."""
        self._client.owner = owner

    def stored(self, call_ids: Iterable[str]) -> None:
        """Let the ledger forget attempts that the store now has."""
        if self._client.ledger is not None:
            self._client.ledger.stored(call_ids)

    ask = waiting(Client.ask)
    complete = waiting(Client.complete)

    def _begin(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def __enter__(self) -> Self:
        """Open the connections."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cxr-client", daemon=True)
        self._thread.start()
        self._begin(self._wire.__aenter__()).result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Wait for what is in flight, unless interrupted a second time; then close everything."""
        with self._lock:
            self._ending = True
            in_flight = list(self._asking)
        self._loop.call_soon_threadsafe(self._client.stop)
        try:
            if in_flight and isinstance(error, KeyboardInterrupt):
                say(
                    f"interrupted: waiting for {self._client.counters.in_flight} calls in flight, which are paid for "
                    "and will be kept; interrupt again to drop them"
                )
            wait(in_flight)
        except KeyboardInterrupt:
            for future in in_flight:
                future.cancel()
        finally:
            self._begin(self._close()).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _close(self) -> None:
        await self._wire.__aexit__(None, None, None)
        # The cache keeps a connection for each thread; this is where the client's is closed.
        self._cache.leave()
