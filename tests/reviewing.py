"""A review book of invented items with pictures, the page's server over it in a thread, and a client of few lines."""

import http.client
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr.miner.review.app import Application
from cxr.miner.review.book import ReviewBook, make_tables
from cxr.miner.review.events import beginning, digest_of
from cxr.miner.review.guard import names_of
from cxr.miner.review.pixels import Pixels
from cxr.miner.review.server import listen, server_of

REPORT = "FINDINGS: There is a small left pleural effusion. The heart is normal. <script>alert(1)</script>"


def content(number: int, images: int) -> dict[str, Any]:
    """Give what the page shows of an invented chain."""
    return {
        "what": "chain",
        "task": "binary",
        "question": f"Does this chest X-ray show pleural effusion? ({number})",
        "options": [],
        "answer": "Yes",
        "steps": [{"no": 1, "text": "The report says: small left pleural effusion.", "evidence": []}],
        "reports": [{"which": "current", "text": REPORT, "sections": [{"name": "FINDINGS", "start": 0, "end": 60}]}],
        "images": [{"which": "current", "no": no, "view": "PA"} for no in range(images)],
        "finding": None,
    }


def write_book(
    path: Path, readers: Mapping[str, str], items: int = 3, images: list[str] | None = None, licence: str = "public"
) -> Path:
    """Make a book in which every reader has every item, in order; `readers` are names and tokens."""
    shown = images or []
    made = [(f"item{number:05}", json.dumps(content(number, len(shown)))) for number in range(1, items + 1)]
    study = ("study", "store", "chains", "{}", "2026-11-27T05:00:00")
    begins = beginning(study, {item: digest_of(text) for item, text in made})

    def fill(connection: Any) -> None:
        connection.execute("insert into study values (?, ?, ?, ?, ?, ?, null)", (*study, begins))
        for reader, token in readers.items():
            connection.execute("insert into readers values (?, ?, 0)", (reader, token))
        for item, text in made:
            connection.execute(
                "insert into items values (?, ?, ?, ?, 'invented', ?, 'binary', 'f', ?, ?, ?, null, 0)",
                (item, f"chain {item}", f"study {item}", f"patient {item}", licence, digest_of(text), text,
                 json.dumps(shown)),
            )  # fmt: skip
        for reader in readers:
            for position, (item, _) in enumerate(made, start=1):
                connection.execute("insert into places values (?, ?, ?, 'first', 0)", (reader, position, item))

    make_tables(path, fill)
    return path


@dataclass
class Client:
    """Speaks to a server of the page as a browser does."""

    port: int
    token: str = ""

    def ask(
        self, path: str, body: object = None, method: str | None = None, **headers: str
    ) -> "tuple[int, http.client.HTTPMessage, bytes]":
        """Give status, headers and body of an answer; what is sent is JSON unless it is bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if sent is not None:
            named.setdefault("Content-Type", "application/json")
        try:
            connection.request(method or ("GET" if sent is None else "POST"), path, sent, named)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def json(self, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Give status and content of an answer about this client's reader."""
        status, _, said = self.ask(f"/r/{self.token}/{path}", body, **headers)
        return status, json.loads(said)

    def save(self, position: int, *changes: Mapping[str, Any], seconds: float = 1.0) -> tuple[int, Any]:
        """Save changes of a place."""
        return self.json(f"items/{position}", {"changes": list(changes), "seconds": seconds})


def change(field: str, new: object, old: object = None) -> dict[str, Any]:
    """Give a change as the page sends it."""
    return {"event": str(uuid.uuid4()), "field": field, "old": old, "new": new}


@contextmanager
def served(path: Path, pixels: Pixels | None = None) -> Iterator[Client]:
    """Serve a book on this machine while the block runs."""
    with ReviewBook(path) as book, listen("127.0.0.1", 0) as listening:
        shown = pixels or Pixels()
        server = server_of(Application(book, names_of("127.0.0.1"), shown).asgi)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield Client(listening.getsockname()[1], next(iter(book.readers().values()), ""))
        finally:
            server.should_exit = True
            thread.join()
            shown.close()
