"""A small server that serves the review page and what it reads, with invented items and with troubles that can be ordered.

It keeps what the page saved in memory, and says what was asked of it; the real one is tested on its own.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import numpy as np
from jinja2 import Environment, FileSystemLoader

ROOM = Path(__file__).parent.parent / "miner" / "review"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
Json = dict[str, Any]


def chest(width: int, height: int, *, opacity: bool = False) -> np.ndarray:
    """Return an invented radiograph of 12 bits: a body, two lungs, a heart, ribs and noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width - 0.5, y / height - 0.5

    def blob(cx: float, cy: float, rx: float, ry: float, soft: float = 8) -> np.ndarray:
        inside = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2
        return cast("np.ndarray", 1 / (1 + np.exp(soft * (inside - 1))))

    grey = 2600 * blob(0, 0.1, 0.47, 0.62, 20)
    grey -= 1500 * (blob(-0.2, 0, 0.15, 0.34) + blob(0.2, 0, 0.15, 0.34))
    grey += 900 * blob(0.07, 0.14, 0.16, 0.15) + 500 * blob(0, 0, 0.045, 0.6)
    grey += 130 * np.sin(46 * (y + 0.55 * x * x)) * (blob(-0.2, 0, 0.16, 0.36) + blob(0.2, 0, 0.16, 0.36))
    if opacity:
        grey += 900 * blob(-0.22, 0.2, 0.09, 0.08, 3)
    grey += np.random.default_rng(7).normal(0, 25, grey.shape)
    return np.clip(grey + 200, 0, 4095).astype("<u2")


REPORT = (
    "EXAMINATION: Chest, two views.\n\nFINDINGS: The heart is mildly enlarged. There is a small left pleural effusion "
    "with adjacent atelectasis. No pneumothorax. The mediastinal contours are normal.\n\n"
    "IMPRESSION: Small left pleural effusion. Mild cardiomegaly."
)
PRIOR = "FINDINGS: No pleural effusion. The heart is of normal size.\n\nIMPRESSION: No acute abnormality."
HOSTILE = (
    "FINDINGS: <b>Small</b> effusion 🫁 on the left <script>document.title = 'ran'</script>"
    "<img src=x onerror=\"document.title='ran'\"> & nothing else.\n\nIMPRESSION: {{ 7 * 7 }} effusion."
)


def report(text: str, which: str = "current") -> Json:
    sections = []
    for name in ("EXAMINATION", "FINDINGS", "IMPRESSION"):
        if f"{name}:" in text:
            start = text.index(f"{name}:") + len(name) + 2
            end = text.find("\n\n", start)
            sections.append({"name": name.lower(), "start": start, "end": len(text) if end < 0 else end})
    return {"which": which, "text": text, "sections": sections}


def evidence(no: int, finding: str, presence: str, text: str, *quotes: str, which: str = "current") -> Json:
    spans = [{"which": which, "start": text.index(quote), "end": text.index(quote) + len(quote)} for quote in quotes]
    return {"no": no, "finding": finding, "kind": "quoted" if quotes else "inferred_normal", "presence": presence, "quotes": spans}


def empty_state() -> Json:
    return {
        "factuality": None, "validity": None, "completeness": None, "cannot_judge": False, "comment": "", "missing": "",
        "steps": {}, "verdict": None, "done": False,
    }  # fmt: skip


def item(text: str = REPORT, **given: Any) -> Json:
    quotes = ("effusion",) if text is HOSTILE else ("small left pleural effusion", "Small left pleural effusion")
    steps = [
        {"no": 1, "text": "I look for fluid along the costophrenic angles and for air in the pleural space.", "evidence": []},
        {
            "no": 2,
            "text": "There is a small pleural effusion on the left.",
            "evidence": [evidence(1, "Pleural Effusion", "present", text, *quotes)],
        },
        {"no": 3, "text": "There is no pneumothorax.", "evidence": [evidence(2, "Pneumothorax", "absent", text)]},
    ]
    made = {
        "round": "first", "what": "chain", "task": "binary", "question": "Does this chest X-ray show pleural effusion?",
        "options": [], "answer": "Yes", "steps": steps, "reports": [report(text)], "images": [], "finding": None,
        "state": empty_state(), "others": None, "feedback": None, "stale": False,
    }  # fmt: skip
    return {**made, **given}


def image(which: str, no: int, view: str = "PA", problem: str | None = None, size: tuple[int, int] = (1250, 1500)) -> Json:
    return {"which": which, "no": no, "view": view, "width": size[0], "height": size[1], "bits": 12, "problem": problem}


PAIR: Json = {
    "task": "temporal",
    "question": "You are given two images: one reference image and one new image. What is the progression of pleural effusion?",
    "options": ["A) worsening", "B) stable", "C) improving"],
    "answer": "A) worsening",
    "images": [image("prior", 0), image("current", 1), image("current", 2, "LATERAL")],
    "reports": [report(PRIOR, "prior"), report(REPORT)],
}
FINDING: Json = {
    "what": "finding", "task": None, "question": None, "answer": None, "steps": [],
    "finding": {"observation": "right pleural effusion", "status": "present"},
}  # fmt: skip


@dataclass
class FakeBook:
    """The items of one reader, what was saved, and the trouble that is ordered."""

    items: list[Json]
    others: list[Json] = field(default_factory=list)
    """What is shown in adjudications once the reader's own scores are there."""
    trouble: tuple[int, str] | None = None
    """Status and sentence with which every save is refused."""
    deaf: bool = False
    """The change is written and the answer lost, as where a server is killed after the write."""
    events: dict[str, Json] = field(default_factory=dict)
    posts: list[tuple[int, Json]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    images: dict[int, np.ndarray] = field(default_factory=dict)

    def shown(self, position: int) -> Json:
        made = self.items[position - 1]
        shown = {"position": position, "of": len(self.items), **made}
        if made["round"] == "adjudication" and made["state"]["done"]:
            shown["others"] = self.others
        if made["round"] != "training" or not made["state"]["done"]:
            shown["feedback"] = None
        return shown

    def is_done(self, made: Json) -> bool:
        final = made["state"].get("final") or {}
        return bool(made["state"]["done"] and (made["round"] != "adjudication" or final.get("done")))

    def queue(self) -> Json:
        places = [
            {"position": number, "round": made["round"], "done": self.is_done(made)}
            for number, made in enumerate(self.items, start=1)
        ]
        return {
            "reader": "r1", "study": "invented", "places": places,
            "next": next((place["position"] for place in places if not place["done"]), None),
        }  # fmt: skip

    def save(self, position: int, body: Json) -> tuple[int, Json]:
        with self.lock:
            self.posts.append((position, body))
            if self.trouble is not None:
                return self.trouble[0], {"error": self.trouble[1]}
            state = self.items[position - 1]["state"]
            for change in body["changes"]:
                if change["event"] in self.events:
                    continue
                part, name = self._place(state, change["field"])
                if part.get(name) != change["old"]:
                    return 409, {"error": "Another tab changed this item first; its values are shown now.", "state": state}
                part[name] = change["new"]
                self.events[change["event"]] = {"position": position, **change}
            places = self.queue()["places"]
            done = sum(place["done"] for place in places)
            return 200, {"state": state, "next": self.queue()["next"], "done": done, "of": len(self.items)}

    @staticmethod
    def _place(state: Json, name: str) -> tuple[Json, str]:
        if name.startswith("final."):
            final = state.get("final") or {key: value for key, value in empty_state().items() if key != "steps"}
            state["final"] = final
            return final, name.removeprefix("final.")
        if name.startswith("steps."):
            state["steps"].setdefault(name.removeprefix("steps."), None)
            return state["steps"], name.removeprefix("steps.")
        return state, name

    def samples(self, position: int, no: int, side: int | None) -> tuple[np.ndarray, int]:
        facts = next(one for one in self.items[position - 1]["images"] if one["no"] == no)
        width, height = facts["width"], facts["height"]
        shrink = 1 if side is None else max(1, -(-max(width, height) // side))
        if no not in self.images:
            self.images[no] = chest(width, height, opacity=facts["which"] == "current")
        return self.images[no][::shrink, ::shrink], 16


class _Handler(BaseHTTPRequestHandler):
    book: FakeBook
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def _send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        told = {"Content-Type": kind, "Content-Length": str(len(body)), "Content-Security-Policy": POLICY}
        for name, value in {**told, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _json(self, status: int, body: Json) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        match parts.path.strip("/").split("/"):
            case ["static", name] if (ROOM / "static" / name).is_file():
                path = ROOM / "static" / name
                self._send(200, path.read_bytes(), TYPES[path.suffix])
            case ["r", _]:
                page = Environment(loader=FileSystemLoader(ROOM / "templates"), autoescape=True).get_template("page.html")
                self._send(200, page.render(study="invented", reader="r1").encode(), "text/html; charset=utf-8")
            case ["r", _, "queue"]:
                self._json(200, self.book.queue())
            case ["r", _, "items", position]:
                self._json(200, self.book.shown(int(position)))
            case ["r", _, "images", position, no]:
                self._image(int(position), int(no), parse_qs(parts.query))
            case _:
                self._json(404, {"error": "There is nothing here."})

    def _image(self, position: int, no: int, query: dict[str, list[str]]) -> None:
        samples, bits = self.book.samples(position, no, int(query["side"][0]) if "side" in query else None)
        headers = {
            "X-Width": str(samples.shape[1]), "X-Height": str(samples.shape[0]), "X-Bits": str(bits),
            "X-Window-Center": "1700", "X-Window-Width": "3200", "X-Inverted": "0",
        }  # fmt: skip
        self._send(200, np.ascontiguousarray(samples).tobytes(), "application/octet-stream", **headers)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, reply = self.book.save(int(self.path.rsplit("/", 1)[1]), body)
        if self.book.deaf:
            self.close_connection = True
            return
        self._json(status, reply)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that closes its end is no trouble."""


@contextmanager
def serving(book: FakeBook, port: int = 0) -> Iterator[str]:
    """Serve the page for one reader; gives its link."""
    handler = type("_OfBook", (_Handler,), {"book": book})
    server = _Server(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/r/token/"
    finally:
        server.shutdown()
        server.server_close()
