"""The server that behaves as a persona does; it notes what it was asked and what it charged for."""

import asyncio
import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.loop_server import LoopServer
from tests.personas.model import PROBE, KnowingModel, Reply
from tests.personas.persona import Completion, Message, Persona, Request
from tests.scripted_server import COMPLETION_TOKENS, PROMPT_TOKENS

_MODEL_FIELDS = {"id": "chatcmpl-7", "object": "chat.completion", "created": 1_790_000_000}


@dataclass
class Asked:
    """One request, what the model made of it, and the status that it got."""

    request: Request
    step: str
    persona: str
    status: int = 0


@dataclass
class Log:
    """What a server has seen."""

    asked: list[Asked] = field(default_factory=list)

    @property
    def paid(self) -> list[Asked]:
        """The requests that a server charges for."""
        return [one for one in self.asked if one.status == 200]

    @property
    def probes(self) -> list[Asked]:
        """The requests that held nothing of the store's."""
        return [one for one in self.asked if one.step == PROBE]

    @property
    def refused(self) -> list[Asked]:
        """The requests that it did not take."""
        return [one for one in self.asked if one.status >= 400]


class PersonaServer(LoopServer):
    """Serves one persona after the other: `be` makes it another one, with an empty log.

    It can be many at once, a persona for each question that it is asked.
    """

    def __init__(self, model: KnowingModel) -> None:
        super().__init__()
        self._model = model
        self.log = Log()

    def be(self, persona: Persona, *others: Persona) -> str:
        """Become a persona; gives the address that its user would type."""
        self._persona, self.log = persona, Log()
        self._personas = (persona, *others)
        self._about: dict[str, int] = {}
        self._refused: dict[int, int] = {}
        self._erred: set[str] = set()
        return f"http://127.0.0.1:{self._port}{persona.path if persona.base is None else persona.base}"

    async def _answer(self, http: web.Request) -> web.StreamResponse:
        if http.path != f"{self._persona.path}/chat/completions":
            return web.json_response({"detail": "Not Found"}, status=404)
        request: Request = json.loads(await http.read())
        reply = self._model.reply(request)
        number = self._about.setdefault(reply.about, len(self._about))
        persona = self._personas[number % len(self._personas)]
        while persona.then is not None and len(self.log.asked) >= persona.then[0]:
            persona = persona.then[1]
        asked = Asked(request, reply.step, persona.name)
        self.log.asked.append(asked)
        for refusal in persona.refuses:
            times = self._refused.get(id(refusal), 0)
            if (refusal.times is None or times < refusal.times) and refusal.when(request):
                self._refused[id(refusal)] = times + 1
                asked.status = refusal.status
                body = refusal.body(request) if callable(refusal.body) else refusal.body
                return _response(body, refusal.status, dict(refusal.headers))
        asked.status = 200
        if persona.errs and reply.step == "evidence" and reply.text not in self._erred:
            self._erred.add(reply.text)
            reply = dataclasses.replace(reply, text=misquoted(reply.text))
        made = persona.body(completion(persona, request, reply), request)
        if not persona.drips:
            return _response(made, 200, dict(persona.headers))
        return await _drip(http, _bytes(made))

    async def _start(self) -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port: int = self._runner.addresses[0][1]

    async def _close(self) -> None:
        await self._runner.cleanup()


def misquoted(text: str) -> str:
    """Return evidence with quotes that stand in no report."""
    said = json.loads(text)
    for item in said["items"]:
        item["quotes"] = ["a large unicorn"] if item["quotes"] else []
    return json.dumps(said)


def completion(persona: Persona, request: Request, reply: Reply) -> Completion:
    """Return a reply as the persona's server sends it."""
    form = (request.get("response_format") or {}).get("type")
    message: Message = {"role": "assistant", "content": reply.text}
    finish = "stop"
    if request.get("tools") and "tools" in persona.binds:
        called = {"name": request["tools"][0]["function"]["name"], "arguments": persona.words(reply.text)}
        calls = [{"id": "call_7", "type": "function", "function": called}]
        message, finish = {"role": "assistant", "content": None, "tool_calls": calls}, "tool_calls"
    elif reply.is_json and form not in persona.binds:
        message["content"] = persona.words(persona.loose(reply.text))
    else:
        message["content"] = persona.words(reply.text)
    usage = {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": COMPLETION_TOKENS,
        "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
    }
    choices = [{"index": 0, "finish_reason": finish, "message": persona.message(message)}]
    return {**_MODEL_FIELDS, "model": request["model"], "choices": choices, "usage": usage}


def _bytes(body: object) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def _response(body: object, status: int, headers: dict[str, str]) -> web.Response:
    headers = {"content-type": "application/json", **headers}
    return web.Response(body=_bytes(body), status=status, headers=headers)


async def _drip(http: web.Request, body: bytes) -> web.StreamResponse:
    """Send a body in pieces of a few bytes, in chunks of unknown number."""
    reply: Any = web.StreamResponse(headers={"content-type": "application/json"})
    reply.enable_chunked_encoding()
    await reply.prepare(http)
    for start in range(0, len(body), 400):
        await reply.write(body[start : start + 400])
        await asyncio.sleep(0)
    await reply.write_eof()
    stream: web.StreamResponse = reply
    return stream
