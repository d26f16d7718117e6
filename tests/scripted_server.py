"""A real HTTP server on this machine that speaks /v1/chat/completions from a script."""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

# What a server counts for every reply it makes, so that tests can add up.
PROMPT_TOKENS = 100
COMPLETION_TOKENS = 10


@dataclass(frozen=True)
class Say:
    """A reply: an object is sent as JSON, a string as it is."""

    content: object
    finish_reason: str = "stop"
    refusal: str | None = None


@dataclass(frozen=True)
class Fail:
    """An HTTP error with OpenAI's error body, which here repeats the request as some servers do."""

    status: int
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """A body that is no completion."""

    body: str


@dataclass(frozen=True)
class HangUp:
    """The connection is closed without a reply."""


Act = Say | Fail | Raw | HangUp


class ScriptedServer:
    """Answers by the name of the asked schema: the first request gets the first act, the last act repeats."""

    def __init__(self, script: Mapping[str, Sequence[Act]]) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def asked(self, schema: str) -> list[dict[str, Any]]:
        """Give the requests for one schema, oldest first."""
        return [request for request in self.requests if schema_name(request) == schema]

    def next_act(self, request: dict[str, Any], key: str | None) -> Act:
        with self._lock:
            self.requests.append(request)
            self.keys.append(key)
            acts = self.script[schema_name(request)]
            return acts[min(len(self.asked(schema_name(request))), len(acts)) - 1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def schema_name(request: dict[str, Any]) -> str:
    if "response_format" in request:
        return str(request["response_format"]["json_schema"]["name"])
    return str(request["tools"][0]["function"]["name"])


def _handler(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: sent apart, the second waits 40 ms for the client's acknowledgement.
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            act = server.next_act(request, self.headers.get("authorization"))
            match act:
                case HangUp():
                    self.close_connection = True
                case Raw(body):
                    self._send(200, body, {})
                case Fail(status, code, headers):
                    error = {"message": f"cannot do {json.dumps(request)}", "type": "error", "code": code}
                    self._send(status, json.dumps({"error": error}), headers)
                case Say():
                    self._send(200, json.dumps(_completion(request, act)), {})

        def _send(self, status: int, body: str, headers: Mapping[str, str]) -> None:
            data = body.encode()
            self.send_response(status)
            for name, value in {
                "content-type": "application/json",
                "content-length": str(len(data)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Keep the test output quiet."""

    return Handler


def _completion(request: dict[str, Any], say: Say) -> dict[str, Any]:
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
