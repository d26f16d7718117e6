"""A real HTTP server on this machine that speaks /v1/chat/completions from a script, with every bad habit known."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.loop_server import LoopServer

# What a server counts for every reply it makes, so that tests can add up.
PROMPT_TOKENS = 100
COMPLETION_TOKENS = 10


@dataclass(frozen=True)
class Say:
    """A reply: an object is sent as JSON, a string as it is."""

    content: object
    finish_reason: str = "stop"
    refusal: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fail:
    """An HTTP error with OpenAI's error body, which here repeats the request as some servers do."""

    status: int
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refuse:
    """An HTTP error, or a 200, with a body of its own."""

    status: int
    said: object


@dataclass(frozen=True)
class Raw:
    """A body that is no completion."""

    body: str


@dataclass(frozen=True)
class HangUp:
    """The connection is closed without a reply."""


@dataclass(frozen=True)
class Hang:
    """No reply for a long time."""

    seconds: float = 30.0


@dataclass(frozen=True)
class Slow:
    """A good reply whose body comes in pieces, with pauses, or stops in the middle."""

    content: object
    pause_s: float = 0.05
    cut: bool = False


Act = Say | Fail | Refuse | Raw | HangUp | Hang | Slow
# A script is a list of acts for each schema, or a function of the request.
Script = Mapping[str, Sequence[Act]] | Callable[[dict[str, Any]], Act]


class ScriptedServer(LoopServer):
    """Answers by the name of the asked schema: the first request gets the first act, the last act repeats."""

    def __init__(
        self, script: Script, latency_s: float = 0.0, *, keep_requests: bool = True, held: bool = False
    ) -> None:
        super().__init__()
        self.script = script
        self.latency_s = latency_s
        self.held = held
        """While it is, requests come in and no reply leaves: a test then need not guess how long anything takes."""
        self.held_from: int | None = None
        """The number of the request with which that begins."""
        self.keep_requests = keep_requests
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.received = 0
        self.paid = 0
        self.extra: list[tuple[str, str, Callable[[web.Request], Any]]] = []
        self._asked: dict[str, int] = {}
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def keys(self) -> list[str | None]:
        return [headers.get("authorization") for headers in self.headers]

    def asked(self, schema: str) -> list[dict[str, Any]]:
        """Give the requests for one schema, oldest first."""
        return [request for request in self.requests if schema_name(request) == schema]

    def next_act(self, request: dict[str, Any]) -> Act:
        if callable(self.script):
            return self.script(request)
        name = schema_name(request)
        self._asked[name] = number = self._asked.get(name, 0) + 1
        acts = self.script[name]
        return acts[min(number, len(acts)) - 1]

    async def complete(self, http: web.Request) -> web.StreamResponse:
        request = json.loads(await http.read())
        self.received += 1
        self.held = self.held or self.received == self.held_from
        if self.keep_requests:
            self.requests.append(request)
            self.paths.append(http.path_qs)
            self.headers.append({name.lower(): value for name, value in http.headers.items()})
        act = self.next_act(request)
        if isinstance(act, Say | Slow):
            self.paid += 1
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        while self.held:
            await asyncio.sleep(0.01)
        return await self._play(http, request, act)

    async def _play(self, http: web.Request, request: dict[str, Any], act: Act) -> web.StreamResponse:
        match act:
            case HangUp():
                assert http.transport is not None
                http.transport.close()
                return web.Response()
            case Hang(seconds):
                await asyncio.sleep(seconds)
                return web.Response(status=500)
            case Refuse(status, said):
                return web.json_response(said, status=status)
            case Raw(body):
                return web.Response(text=body, content_type="application/json")
            case Fail(status, code, headers):
                error = {"message": f"cannot do {json.dumps(request)}", "type": "error", "code": code}
                return web.json_response({"error": error}, status=status, headers=headers)
            case Slow(content, pause_s, cut):
                return await self._drip(http, completion(request, Say(content)), pause_s, cut=cut)
            case Say():
                return web.json_response(completion(request, act), headers=act.headers)

    async def _drip(self, http: web.Request, body: dict[str, Any], pause_s: float, *, cut: bool) -> web.StreamResponse:
        data = json.dumps(body).encode()
        reply = web.StreamResponse(headers={"content-type": "application/json", "content-length": str(len(data))})
        await reply.prepare(http)
        pieces = [data[at : at + len(data) // 4 + 1] for at in range(0, len(data), len(data) // 4 + 1)]
        for piece in pieces[:2] if cut else pieces:
            await reply.write(piece)
            await asyncio.sleep(pause_s)
        if cut:
            assert http.transport is not None
            http.transport.close()
        return reply

    async def _start(self) -> None:
        app = web.Application(client_max_size=2**28)
        app.router.add_post("/v1/chat/completions", self.complete)
        app.router.add_post("/openai/deployments/{name}/chat/completions", self.complete)
        for method, path, handler in self.extra:
            app.router.add_route(method, path, handler)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        await self._runner.cleanup()


def schema_name(request: dict[str, Any]) -> str:
    if "response_format" in request:
        return str(request["response_format"].get("json_schema", {}).get("name", ""))
    return str(request["tools"][0]["function"]["name"]) if "tools" in request else ""


def completion(request: dict[str, Any], say: Say) -> dict[str, Any]:
    content = say.content if isinstance(say.content, str) else json.dumps(say.content)
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if "tools" in request:
        call = {"id": "c", "type": "function", "function": {"name": schema_name(request), "arguments": content}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    if say.refusal is not None:
        message = {"role": "assistant", "content": None, "refusal": say.refusal}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": request["model"],
        "choices": [{"index": 0, "finish_reason": say.finish_reason, "message": message}],
        "usage": {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": COMPLETION_TOKENS,
            "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
        },
    }
