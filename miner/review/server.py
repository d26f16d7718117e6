"""One process that serves the page until it is told to end, and does something else now and then."""

import asyncio
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from anyio import to_thread
from starlette.types import ASGIApp

from cxr.miner.kit.errors import InputError

_KEPT_OPEN_S = 60
"""How long a reader may look before the browser connects anew."""
_LAST_WORDS_S = 5
"""How long answers that are under way may take when the server ends."""
_WHY = {
    errno.EADDRINUSE: "is in use; end the server that holds it, or give another --port",
    errno.EADDRNOTAVAIL: "is no address of this machine; give one that is with --host",
    errno.EACCES: "may not be listened at; give a --port from 1024 on",
}


def listen(address: str, port: int) -> socket.socket:
    """Return a socket that listens; raises InputError where that cannot be."""
    # asyncio sends small answers at once only where the socket says that it is TCP; else each waits 40 ms for an ACK.
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen()
        return listening
    except (OSError, OverflowError) as error:
        listening.close()
        why = _WHY.get(getattr(error, "errno", None) or 0, "cannot be listened at; give another --host or --port")
        raise InputError(f"{address}, port {port}, {why}") from None


def origin_of(listening: socket.socket) -> str:
    """Return the address of a listening socket as a browser takes it."""
    address, port = listening.getsockname()[:2]
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def serve(
    app: ASGIApp, listening: socket.socket, begun: Callable[[], None], meanwhile: Callable[[], None], every_s: float
) -> None:
    """Serve until SIGINT or SIGTERM, finish what is being answered, and return.

    `begun` is called when requests are answered and signals are waited for; `meanwhile` every so many seconds, in a
    thread, and never twice at once. No request is logged: a token is part of its address.
    """
    asyncio.run(_serve(server_of(app, begun), listening, meanwhile, every_s))


def server_of(app: ASGIApp, begun: Callable[[], None] = lambda: None) -> "Server":
    """Return the server of an application, which does not run yet."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEPT_OPEN_S,
        timeout_graceful_shutdown=_LAST_WORDS_S,
    )
    return Server(config, begun)


async def _serve(server: "Server", listening: socket.socket, meanwhile: Callable[[], None], every_s: float) -> None:
    beside = asyncio.create_task(_again_and_again(meanwhile, every_s))
    try:
        await server.serve(sockets=[listening])
    finally:
        beside.cancel()
        with suppress(asyncio.CancelledError):
            await beside


async def _again_and_again(work: Callable[[], None], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        await to_thread.run_sync(work)


class Server(uvicorn.Server):
    """Ends on a signal and lets the command go on after it; uvicorn would send itself the same signal again."""

    def __init__(self, config: uvicorn.Config, begun: Callable[[], None]) -> None:
        super().__init__(config)
        self._begun = begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._begun()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take both signals that end a server, for as long as it serves; in a thread there are none."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
