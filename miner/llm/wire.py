"""The one way out of the machine: every request of the llm engine is sent here, past the policy gate.

Nothing else in the project opens a connection to a model server. A request that carries report text says under which
licence; the gate (`cxr.miner.llm.policy`) is asked before a byte is sent.
"""

import asyncio
import errno
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from cxr.miner.kit import faults
from cxr.miner.kit.errors import CxrError, EngineStopped, PolicyError, SettingsError
from cxr.miner.llm.policy import LOCALHOST, check_endpoint, check_key, is_here, is_loopback, is_private
from cxr.miner.llm.settings import ServerSettings
from cxr.schemas.vocabulary import Licence

_CONNECT_S = 15.0
# Bytes of a reply to one question (a chain is some thousands), and of a batch's result file; more is a server that does
# not end, and each request in flight may take as much memory.
_LONGEST_REPLY = 8_000_000
_LONGEST_FILE = 2_000_000_000


class WireError(Exception):
    """No reply came; `kind` is fit for a log and a table."""

    def __init__(self, kind: str, *, nobody_there: bool = False) -> None:
        super().__init__(kind)
        self.kind = kind
        self.nobody_there = nobody_there


@dataclass(frozen=True)
class WireReply:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def key_from_environment(settings: ServerSettings) -> str | None:
    """Return the key: AZURE_OPENAI_API_KEY for Azure where it is set, else OPENAI_API_KEY; None without one.

    Raises SettingsError where a server elsewhere would be asked over https without a key, PolicyError where a key
    would cross a network unencrypted.
    """
    names = ("AZURE_OPENAI_API_KEY", "OPENAI_API_KEY") if settings.api == "azure" else ("OPENAI_API_KEY",)
    key = next((os.environ[name].strip() for name in names if os.environ.get(name, "").strip()), None)
    if key is not None:
        check_key(settings.base_url, in_clear=settings.key_in_clear)
    elif settings.base_url.lower().startswith("https:") and not is_loopback(settings.base_url):
        raise SettingsError(
            f"the model server is not on this machine and {names[0]} is not set; set it in the environment, "
            "or give a local server with --base-url"
        )
    return key


class Wire:
    """Connections to one server; use it in an `async with`, inside the loop that asks."""

    def __init__(self, settings: ServerSettings, key: str | None) -> None:
        """Raise SettingsError where the base URL is not one; nothing is sent yet."""
        self._settings = settings
        self.local = is_loopback(settings.base_url)
        self._attestations = settings.attestations
        self._key = key
        in_clear = key is not None and not self.local and not settings.base_url.lower().startswith("https:")
        self._gate = _Gate(is_here if self.local else is_private if in_clear else None)
        self._session: aiohttp.ClientSession | None = None
        self.attestations_used: set[str] = set()

    def allow(self, licence: Licence, *, stored: bool = False) -> None:
        """Raise PolicyError where text of this licence may not go to the server; note what allowed it.

        `stored`: the server keeps the text for a while (files of the Batch API), which no promise of zero retention
        covers.
        """
        attestation = check_endpoint(self._settings.base_url, licence, self._attestations)
        if attestation is None:
            return
        if stored:
            raise PolicyError(
                "a batch lies at the server as a file, so zero retention cannot hold for it; text of a credentialed "
                "corpus goes into batches of a local server only: mine it without --batch"
            )
        self.attestations_used.add(attestation.model_dump_json())

    async def complete(self, body: bytes, licence: Licence, leaving: Callable[[], Awaitable[None]]) -> WireReply:
        """Send one chat completion; raises PolicyError before, WireError where no reply came.

        `leaving` is awaited when the body is about to go onto the connection, and not before: from then on it may be
        charged.
        """
        self.allow(licence)
        json_headers = {"content-type": "application/json"}
        return await self._send("POST", "/chat/completions", data=body, headers=json_headers, leaving=leaving)

    async def upload(self, name: str, content: bytes, licence: Licence) -> WireReply:
        """Send a file of batch requests; raises PolicyError before, WireError where no reply came."""
        self.allow(licence, stored=True)
        form = aiohttp.FormData()
        form.add_field("purpose", "batch")
        form.add_field("file", content, filename=name, content_type="application/jsonl")
        return await self._send("POST", "/files", data=form, headers={})

    async def ask(self, method: str, path: str, content: Mapping[str, object] | None = None) -> WireReply:
        """Send what holds no report text: ids, states and commands of batches."""
        data = None if content is None else json.dumps(content).encode()
        return await self._send(method, path, data=data, headers={"content-type": "application/json"})

    async def _send(
        self,
        method: str,
        path: str,
        *,
        data: Any,
        headers: dict[str, str],
        leaving: Callable[[], Awaitable[None]] | None = None,
    ) -> WireReply:
        assert self._session is not None, "use the wire in an `async with`"  # noqa: S101
        try:
            # A redirect would carry report text past the gate: it is never followed.
            async with self._session.request(
                method, self._url(path), data=data, headers=headers, allow_redirects=False, trace_request_ctx=leaving
            ) as reply:
                body = await _body(reply, _LONGEST_REPLY if path == "/chat/completions" else _LONGEST_FILE)
                return WireReply(reply.status, {name.lower(): said for name, said in reply.headers.items()}, body)
        except TimeoutError:
            raise WireError(f"no whole reply in {self._settings.timeout_s:g} s") from None
        except aiohttp.ClientConnectorError as error:
            if (elsewhere := self._gate.refused) is not None:
                raise PolicyError(
                    f"{self._settings.base_url} leads to {elsewhere}, which is "
                    f"{'not this machine' if self.local else 'no private address'}: nothing was sent; correct "
                    "--base-url"
                ) from None
            # The address is wrong or nothing listens there; a firewall's silence is a time-out instead.
            _demand_room(error.os_error)
            nobody = isinstance(error.os_error, ConnectionRefusedError | socket.gaierror)
            raise WireError("connection refused", nobody_there=nobody) from None
        except aiohttp.InvalidURL:
            raise WireError("an address that can be read in two ways", nobody_there=True) from None
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error.__cause__, CxrError):  # of the line that is written before a request leaves
                raise error.__cause__ from None
            _demand_room(error)
            raise WireError(f"connection broken ({type(error).__name__})") from None

    def _url(self, path: str) -> str:
        base = self._settings.base_url.rstrip("/")
        if self._settings.api != "azure" or base.endswith("/openai/v1"):
            return base + path
        deployment = f"/deployments/{self._settings.model}" if path == "/chat/completions" else ""
        return f"{base}/openai{deployment}{path}?api-version={self._settings.api_version}"

    async def __aenter__(self) -> Self:
        """Open a session; connections are kept and used again."""
        named = {} if self._key is None else {"authorization": f"Bearer {self._key}"}
        if self._key is not None and self._settings.api == "azure":
            named = {"api-key": self._key}
        trace = aiohttp.TraceConfig()
        trace.on_request_chunk_sent.append(_leaving)
        self._session = aiohttp.ClientSession(
            trace_configs=[trace],
            connector=aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=30,
                resolver=_Here() if self.local else None,
                socket_factory=self._gate.socket_to,
            ),
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s, sock_connect=_CONNECT_S),
            headers=named,
            cookie_jar=aiohttp.DummyCookieJar(),
            # A proxy would carry report text, or a key in clear, past the gate.
            trust_env=self._gate.may is None,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)


class _Here(AbstractResolver):
    """Knows where `localhost` is, and nothing else; no file and no server is asked."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if host.rstrip(".").lower() != LOCALHOST:
            raise OSError(None, "only localhost is known here")
        there = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in there.items()
            if family in {kind, socket.AF_UNSPEC}
        ]

    async def close(self) -> None:
        """Nothing is open."""


class _Gate:
    """Looks at the address that is about to be connected to: whatever a name was, this is where the text would go."""

    def __init__(self, may: Callable[[str], bool] | None) -> None:
        self.may = may
        """Whether an address may be connected to; None: all may."""
        self.refused: str | None = None

    def socket_to(self, there: aiohttp.AddrInfoType) -> socket.socket:
        """Return a socket to connect with; raises OSError, and remembers the address, where it may not be."""
        family, kind, protocol, _, address = there
        if self.may is not None and not self.may(str(address[0])):
            self.refused = str(address[0])
            raise OSError(None, "an address that may not be connected to")
        return socket.socket(family, kind, protocol)


async def _body(reply: aiohttp.ClientResponse, most: int) -> bytes:
    """Return a reply's body; raises WireError for one that does not end."""
    body = bytearray()
    async for piece in reply.content.iter_any():
        body += piece
        if len(body) > most:
            raise WireError(f"a reply of more than {most // 1_000_000} MB")
    return bytes(body)


def _demand_room(error: BaseException) -> None:
    """Raise EngineStopped where it was not the server that was missing, but room for a connection on this machine."""
    if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
        raise EngineStopped(str(faults.sentence(OSError(error.errno, "", "connections to the model server")))) from None


async def _leaving(
    session: aiohttp.ClientSession,  # noqa: ARG001 - aiohttp names the arguments
    context: Any,
    params: aiohttp.TraceRequestChunkSentParams,  # noqa: ARG001 - likewise
) -> None:
    """Tell whoever asked that the body is about to go onto the connection."""
    if context.trace_request_ctx is not None:
        await context.trace_request_ctx()
