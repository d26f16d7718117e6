"""What stands before every route: whose name the server was called by, who sends a change, and headers of every answer.

A page of somewhere else must reach nothing here. It could point a name of its own at this machine (so foreign Host
headers are refused) or send a form here (so a change is JSON, which a foreign page may not send unasked, and its
Origin is ours).
"""

import json
import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cxr.miner.kit import faults
from cxr.miner.kit.visible import one_line

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_READS = frozenset({"GET", "HEAD"})


def names_of(host: str) -> frozenset[str]:
    """Return the names under which a server is called that listens at `host`: this machine's own are always there."""
    return LOOPBACK_NAMES | {host.strip("[]").lower()}


@dataclass(frozen=True)
class Guard:
    """An ASGI application around another."""

    app: ASGIApp
    names: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return  # there is nothing else to ask for
        sent = Sent(send)
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            await sent.refuse(*refusal)
            return
        try:
            await self.app(scope, receive, sent)
        except Exception as error:  # noqa: BLE001 - one request that fails ends no other
            said = faults.sentence(error) or faults.defect(error)
            sys.stderr.write(f"cxr: {one_line(said)}\n")
            if not sent.has_begun:
                await sent.refuse(500, said)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if _name(f"//{host}") not in self.names:
            return 421, "this server was called by a name that is not its own; use the link that `cxr review` printed"
        if method in _READS:
            return None
        ours = {f"{scheme}://{host}".lower() for scheme in ("http", "https")}
        is_ours = headers.get("origin") is None or headers["origin"].lower() in ours
        if not is_ours or headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return 403, "a change came from a page of somewhere else and was refused; use the link of `cxr review`"
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return 415, "a change is expected as application/json"
        return None


class Sent:
    """What is sent: adds the headers that every answer has, and knows whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        """Send a part of an answer."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in _ALWAYS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    async def refuse(self, status: int, sentence: str) -> None:
        """Send a whole answer: a status and one sentence, as JSON."""
        body = json.dumps({"error": sentence}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


def _name(url: str) -> str | None:
    """Return the name in a URL without a scheme; None where it has none or is no URL."""
    try:
        parts: Any = urlsplit(url)
        return None if parts.username is not None else parts.hostname
    except ValueError:
        return None
