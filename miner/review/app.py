"""The page's routes: a reader's link, the queue, the items and what is said of them, and pixels."""

import json
import mimetypes
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from anyio import CapacityLimiter, to_thread
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cxr.miner.kit import faults
from cxr.miner.kit.errors import CxrError, InputError, StoreError
from cxr.miner.kit.parallel import processors
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.guard import Guard
from cxr.miner.review.pixels import LARGEST_SIDE, SMALLEST_SIDE, NoPixels, Pixels, packed
from cxr.miner.review.refusals import Conflict, DiskRefused, StaleItem, StudyClosed, UnknownPlace
from cxr.miner.review.showing import AS_TOLD
from cxr.miner.review.state import Change, read_change

_ROOM = "cxr.miner.review"
_MOST_BYTES = 1_000_000
_MOST_CHANGES = 1_000
_STATUS: dict[type[Exception], int] = {
    UnknownPlace: 404, NoPixels: 404, Conflict: 409, StaleItem: 409, StudyClosed: 410, InputError: 422,
    DiskRefused: 507, StoreError: 503,
}  # fmt: skip
"""What is answered where the book or the decoder refuses; the first that fits."""
mimetypes.add_type("text/javascript", ".js")  # a machine's own table may say otherwise, and a browser is strict


class Refusal(Exception):
    """An answer that is none: a status and one sentence, and the state that holds where there is one."""

    def __init__(self, status: int, sentence: str, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.state = status, sentence, state


class Asked(NamedTuple):
    """What one request asks, and who."""

    reader: str
    position: int
    no: int
    side: int | None
    body: bytes


class Application:
    """The page over one review book; `asgi` is what a server runs."""

    def __init__(self, book: ReviewBook, names: frozenset[str], pixels: Pixels) -> None:
        self._book = book
        self._pixels = pixels
        # The templates escape all that they show; a name that one lacks is a defect.
        self._templates = Environment(loader=PackageLoader(_ROOM), autoescape=True, undefined=StrictUndefined)
        for name in ("page.html", "message.html"):
            self._templates.get_template(name)  # compiled before anybody waits for it
        # Saves never wait behind pictures.
        talking, decoding = CapacityLimiter(8), CapacityLimiter(max(2, processors()))
        item, image = "/r/{token}/items/{position}", "/r/{token}/images/{position}/{no}"
        routes = [
            Route("/r/{token}/", self._route(self._page, talking)),
            Route("/r/{token}/queue", self._route(self._queue, talking)),
            Route(item, self._route(self._item, talking)),
            Route(item, self._route(self._save, talking), methods=["POST"]),
            Route(image, self._route(self._image, decoding)),
            Mount("/static", _Static(directory=Path(str(files(_ROOM) / "static")))),
        ]
        handlers: Any = {HTTPException: self._not_routed, Exception: self._broken}
        self.asgi = Guard(Starlette(routes=routes, exception_handlers=handlers), names)

    def _route(
        self, answer: Callable[[Asked], Response], limiter: CapacityLimiter
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a route that answers in a thread: neither the book's disk nor a decoder holds up the loop."""

        async def run(request: Request) -> Response:
            try:
                body = await _body(request)
                return await to_thread.run_sync(self._answered, answer, request, body, limiter=limiter)
            except Refusal as refusal:
                return self._refused(request, refusal)
            except ClientDisconnect:  # a page that was closed in the middle of a word
                return Response(status_code=400)

        return run

    def _answered(self, answer: Callable[[Asked], Response], request: Request, body: bytes) -> Response:
        """Answer for the reader of the request's token; raises Refusal."""
        try:
            reader = self._book.reader_of(request.path_params["token"])
            if reader is None:
                raise Refusal(403, "this link is not known here; ask who runs the study for yours")
            if self._book.study().closed_at is not None:
                raise StudyClosed("this study is closed, and takes no more changes; thank you for reading")
            position, no = (_number(request.path_params.get(name, "0")) for name in ("position", "no"))
            return answer(Asked(reader, position, no, _side(request.query_params.get("side")), body))
        except (CxrError, NoPixels) as error:
            raise _refusal_of(error) from None

    def _page(self, asked: Asked) -> Response:
        return self._shown("page.html", study=self._book.study().review_study, reader=asked.reader)

    def _queue(self, asked: Asked) -> Response:
        told = [
            {"position": one.position, "round": AS_TOLD.get(one.round, one.round), "done": one.is_done}
            for one in self._book.queue(asked.reader)
        ]
        study, following = self._book.study().review_study, self._book.progress(asked.reader).next
        return _json({"reader": asked.reader, "study": study, "places": told, "next": following})

    def _item(self, asked: Asked) -> Response:
        shown = self._book.shown(asked.reader, asked.position)
        paths = self._book.images(asked.reader, asked.position)
        facts = [self._pixels.facts(path) for path in paths]
        self._pixels.prepare([path for path, known in zip(paths, facts, strict=True) if known.problem is None])
        images = [{**told, **vars(known)} for told, known in zip(shown["images"], facts, strict=True)]
        return _json({**shown, "images": images})

    def _save(self, asked: Asked) -> Response:
        changes, seconds = _read(asked.body)
        state = self._book.save(asked.reader, asked.position, changes, seconds)
        far = self._book.progress(asked.reader, asked.position)
        return _json({"state": state, "next": far.next, "done": far.done, "of": far.of})

    def _image(self, asked: Asked) -> Response:
        paths = self._book.images(asked.reader, asked.position)
        if asked.no >= len(paths):
            raise Refusal(404, "this item has no such image")
        image = self._pixels.image(paths[asked.no], asked.side)
        body, headers = packed(image)
        return Response(body, media_type="application/octet-stream", headers=headers)

    def _shown(self, template: str, status: int = 200, **context: str) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(context), status)

    def _refused(self, request: Request, refusal: Refusal) -> Response:
        """Return a refusal as a person or a script reads it."""
        parts = request.url.path.strip("/").split("/")
        if parts == [""] or (parts[0] == "r" and len(parts) == 2):
            title = "Closed" if refusal.status == 410 else "Not found"
            return self._shown("message.html", refusal.status, title=title, sentence=refusal.sentence)
        told = {"error": refusal.sentence}
        return _json(told if refusal.state is None else {**told, "state": refusal.state}, refusal.status)

    async def _not_routed(self, request: Request, error: HTTPException) -> Response:
        sentence = "there is nothing at this address; use the link that you were given"
        return self._refused(request, Refusal(error.status_code, sentence))

    async def _broken(self, _: Request, error: Exception) -> Response:
        return _json({"error": faults.sentence(error) or faults.defect(error)}, 500)


class _Static(StaticFiles):
    """The page's own files; a browser asks each time whether they are still the same."""

    def file_response(self, *given: Any, **named: Any) -> Response:
        """Return a file, or that it has not changed."""
        response = super().file_response(*given, **named)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _json(content: Mapping[str, Any], status: int = 200) -> Response:
    # As ASCII: text of a report may hold halves of surrogate pairs, which UTF-8 has no bytes for.
    return Response(json.dumps(content), status, media_type="application/json")


async def _body(request: Request) -> bytes:
    """Return what was sent; raises Refusal for more than any review is."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise Refusal(413, f"a change is larger than {_MOST_BYTES:,} bytes; expected a few fields")
    return bytes(body)


def _read(body: bytes) -> tuple[list[Change], float]:
    """Return the changes and the seconds that they took; raises InputError for anything else."""
    try:
        given = json.loads(body)
        changes, seconds = given["changes"], float(given["seconds"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InputError("a save is not what was expected; expected JSON with changes and seconds") from None
    if not isinstance(changes, list) or not len(changes) <= _MOST_CHANGES:
        raise InputError(f"changes is no list of up to {_MOST_CHANGES:,} changes; expected one")
    return [read_change(change) for change in changes], seconds


def _number(given: str) -> int:
    """Return a number of an address; raises UnknownPlace for what is none that any queue has."""
    if not (given.isascii() and given.isdecimal() and len(given) < 9):
        raise UnknownPlace("there is no such place in this reader's queue")
    return int(given)


def _side(given: str | None) -> int | None:
    try:
        side = None if given is None else _number(given)
    except UnknownPlace:
        side = 0
    if side is not None and not SMALLEST_SIDE <= side <= LARGEST_SIDE:
        raise InputError(f"side takes a number of pixels from {SMALLEST_SIDE} to {LARGEST_SIDE:,}")
    return side


def _refusal_of(error: Exception) -> Refusal:
    """Return what the page is told of an error of ours."""
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    if isinstance(error, NoPixels) and not error.is_missing:
        status = 422
    return Refusal(status, str(error), getattr(error, "state", None))
