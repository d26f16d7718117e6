"""A server on this machine that writes any bytes it likes in place of HTTP, and the weather that it makes."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cxr.miner.llm.cache import request_hash
from tests.fuzz.seeds import MARK
from tests.loop_server import LoopServer
from tests.scripted_server import Say, completion, schema_name
from tests.synthetic import CHAIN, EVIDENCE, PLAN

_GOOD = {"PlanReply": PLAN, "EvidenceReply": EVIDENCE, "ChainReply": CHAIN}
_OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
Writes = Callable[[asyncio.StreamWriter, dict[str, Any]], Awaitable[None]]


def _good(request: dict[str, Any]) -> bytes:
    """Give the body of a reply that fits."""
    return json.dumps(completion(request, Say(_GOOD[schema_name(request)]))).encode()


class FoulServer(LoopServer):
    """Answers each request in the kind of weather that `forecast` names for it."""

    def __init__(self, forecast: Callable[[dict[str, Any]], str]) -> None:
        super().__init__()
        self.forecast = forecast
        self.met: dict[str, str] = {}
        """The kind of weather that each request met, by the hash of its body."""
        self.connections = 0

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
            request = json.loads(body)
            kind = self.met[request_hash(body)] = self.forecast(request)
            await WEATHERS[kind].writes(writer, request)
        writer.close()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def _close(self) -> None:
        self._server.close()


# --- what is written ---------------------------------------------------------------------------------------------


def raw(data: bytes, pause_s: float = 0.0) -> Writes:
    """Write bytes and close the connection; with a pause, keep it open so long."""

    async def act(writer: asyncio.StreamWriter, _: dict[str, Any]) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(pause_s)

    return act


def whole(body: bytes, headers: bytes = b"") -> Writes:
    """Write a reply as it should be, around any body."""
    headers += b"connection: close\r\n"
    return raw(_OK + headers + b"content-length: %d\r\n\r\n" % len(body) + body)


def endless(head: bytes, piece: bytes, pause_s: float = 0.0) -> Writes:
    """Write a beginning, and then the same again and again."""

    async def act(writer: asyncio.StreamWriter, _: dict[str, Any]) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return act


def changed(change: Callable[[bytes], bytes], headers: bytes = b"") -> Writes:
    """Write a good reply whose body was changed."""

    async def act(writer: asyncio.StreamWriter, request: dict[str, Any]) -> None:
        await whole(change(_good(request)), headers)(writer, request)

    return act


def told(head: Callable[[int], bytes], cut: int | None = None) -> Writes:
    """Write a good body under headers of its own making, which are given its length; or a part of the body."""

    async def act(writer: asyncio.StreamWriter, request: dict[str, Any]) -> None:
        body = _good(request)
        await raw(head(len(body)) + body[:cut])(writer, request)

    return act


def _bomb(container: int) -> bytes:
    """Give a small body that is 2 GB when it is unpacked."""
    packer = zlib.compressobj(9, zlib.DEFLATED, container)
    # The same packed stretch again and again is what packing gigabytes would give, and takes no time.
    first = packer.compress(b" " * 1_000_000) + packer.flush(zlib.Z_FULL_FLUSH)
    stretch = packer.compress(b" " * 1_000_000) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + stretch * 2_000


@dataclass(frozen=True)
class Weather:
    """One kind of weather: what is written, and what is on record afterwards."""

    writes: Writes
    error: str | None
    """Words of the error; None where it is a good reply all the same, only oddly told."""


_HOSTILE_BODY = MARK.encode() + b" There is a small left pleural effusion. "
_CUT = 60

FAIR = "fair"
WEATHERS: dict[str, Weather] = {
    FAIR: Weather(changed(bytes), None),
    "gzip bomb": Weather(whole(_bomb(31), b"content-encoding: gzip\r\n"), "more than 8 MB"),
    "deflate bomb": Weather(whole(_bomb(15), b"content-encoding: deflate\r\n"), "more than 8 MB"),
    "gzip that is none": Weather(changed(lambda body: body, b"content-encoding: gzip\r\n"), "broken"),
    "gzip cut in half": Weather(
        changed(lambda body: gzip.compress(body)[:_CUT], b"content-encoding: gzip\r\n"), "no completion"
    ),
    "an encoding nobody knows": Weather(changed(lambda body: body, b"content-encoding: x-secret\r\n"), None),
    "gzip": Weather(changed(gzip.compress, b"content-encoding: gzip\r\n"), None),
    "endless body": Weather(endless(_OK + b"\r\n", _HOSTILE_BODY * 2_000), "more than 8 MB"),
    "endless chunks": Weather(
        endless(_OK + b"transfer-encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 0x10000 + b"\r\n"),
        "more than 8 MB",
    ),
    "endless headers": Weather(endless(b"HTTP/1.1 200 OK\r\n", b"x-more: " + b"y" * 4_000 + b"\r\n"), "broken"),
    "endless 100 Continue": Weather(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01), "no whole reply"),
    "dripping body": Weather(endless(_OK + b"content-length: 5000\r\n\r\n", b" ", 0.1), "no whole reply"),
    "dripping headers": Weather(endless(b"HTTP/1.1 200 OK\r\nx: ", b"y", 0.1), "no whole reply"),
    "silence": Weather(raw(b"", 60.0), "no whole reply"),
    "absurd length": Weather(told(lambda _: _OK + b"content-length: " + b"9" * 30 + b"\r\n\r\n"), "broken"),
    "length of 5,000 digits": Weather(
        told(lambda _: _OK + b"content-length: " + b"9" * 5_000 + b"\r\n\r\n"), "broken"
    ),
    "negative length": Weather(told(lambda _: _OK + b"content-length: -5\r\n\r\n"), "broken"),
    "length that is a word": Weather(told(lambda _: _OK + b"content-length: many\r\n\r\n"), "broken"),
    "two lengths": Weather(
        told(lambda size: _OK + b"content-length: 5\r\ncontent-length: %d\r\n\r\n" % size), "broken"
    ),
    "length and chunks": Weather(
        told(lambda size: _OK + b"content-length: %d\r\ntransfer-encoding: chunked\r\n\r\n" % size), "broken"
    ),
    "garbage for chunks": Weather(
        told(lambda _: _OK + b"transfer-encoding: chunked\r\n\r\nzz" + MARK.encode() + b"\r\n"), "broken"
    ),
    "a chunk of 2^63": Weather(
        told(lambda _: _OK + b"transfer-encoding: chunked\r\n\r\n7fffffffffffffff\r\n"), "broken"
    ),
    "a header of 1 MB": Weather(
        told(lambda size: _OK + b"x-long: " + b"y" * 1_000_000 + b"\r\ncontent-length: %d\r\n\r\n" % size),
        "broken",
    ),
    "20,000 headers": Weather(
        told(lambda size: _OK + b"x: y\r\n" * 20_000 + b"content-length: %d\r\n\r\n" % size), "broken"
    ),
    "binary": Weather(raw(bytes(range(256)) * 40), "broken"),
    "binary in headers": Weather(
        told(lambda size: _OK + b"x: \x00\xff\x1b[2J\r\ncontent-length: %d\r\n\r\n" % size), "broken"
    ),
    "a report for a status": Weather(raw(b"HTTP/1.1 200 " + _HOSTILE_BODY * 5 + b"\r\n\r\n"), "no completion"),
    "a status that is none": Weather(told(lambda _: b"HTTP/1.1 " + MARK.encode() + b" OK\r\n\r\n"), "broken"),
    "no HTTP": Weather(raw(b"220 mail.invalid ESMTP " + MARK.encode() + b"\r\n"), "broken"),
    "closed in the middle": Weather(
        told(lambda size: _OK + b"content-length: %d\r\n\r\n" % size, _CUT), "broken"
    ),
    "closed in the middle without a length": Weather(told(lambda _: _OK + b"\r\n", _CUT), "no completion"),
    "closed in the headers": Weather(raw(_OK), "broken"),
    "HTTP/1.0": Weather(told(lambda _: b"HTTP/1.0 200 OK\r\n\r\n"), None),
    "HTTP/0.9": Weather(told(lambda _: b""), "broken"),
    "JSON in UTF-16": Weather(
        changed(lambda body: body.decode().encode("utf-16"), b"x-charset: utf-16\r\n"), "no completion"
    ),
    "bytes that are no text": Weather(changed(lambda body: b"\xff\xfe\xfd" * 100), "no completion"),
    "a number of 5,000 digits": Weather(
        changed(lambda body: b'{"choices": %s, "text": "%s"}' % (b"9" * 5_000, MARK.encode())), "no completion"
    ),
    "nested 100,000 deep": Weather(changed(lambda body: b"[" * 100_000), "no completion"),
    "nested 100,000 deep and closed": Weather(
        changed(lambda body: b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "no completion"
    ),
    "NaN": Weather(changed(lambda body: body.replace(b'"created": 0', b'"created": NaN')), None),
    "NaN for a reply": Weather(changed(lambda body: b"NaN"), "no completion"),
    "NaN for choices": Weather(changed(lambda body: b'{"choices": [NaN]}'), "without choices"),
    "headers that lead elsewhere": Weather(
        changed(lambda body: body, b"set-cookie: a=b\r\nalt-svc: h2=\":1\"\r\nrefresh: 0; url=/x\r\n"), None
    ),
    "a list": Weather(changed(lambda body: b"[" + body + b"]"), None),
    "an error page": Weather(
        raw(b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\n\r\n<html>" + _HOSTILE_BODY * 100),
        "HTTP 502",
    ),
    "an error nested without end": Weather(
        raw(b"HTTP/1.1 500 No\r\n\r\n" + b'{"error":' * 100_000), "HTTP 500"
    ),
    "an error with a number of 5,000 digits": Weather(
        raw(b'HTTP/1.1 500 No\r\n\r\n{"error": {"code": ' + b"9" * 5_000 + b"}}"), "HTTP 500"
    ),
    "status 999": Weather(raw(b"HTTP/1.1 999 No\r\ncontent-length: 0\r\n\r\n"), "HTTP 999"),
    "status 204": Weather(raw(b"HTTP/1.1 204 No Content\r\n\r\n"), "no completion"),
    "status 101": Weather(raw(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"), "HTTP 101"),
}  # fmt: skip
