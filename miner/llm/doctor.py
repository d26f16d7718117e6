"""`cxr doctor`: what a model server takes, found with at most three tiny requests, and what to change.

Nothing of a corpus is sent: no report, no image but a red square. Lists of models and of batches, which cost nothing,
are looked at as well.
"""

import base64
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from openai.types.chat import ChatCompletion

from cxr.miner.kit.errors import CxrError
from cxr.miner.kit.settings import nearest
from cxr.miner.llm.asked import Asked
from cxr.miner.llm.background import waiting
from cxr.miner.llm.books import FileBooks, open_client
from cxr.miner.llm.capabilities import NOT_SENT, Capabilities, Part, Takes
from cxr.miner.llm.client import Client
from cxr.miner.llm.failures import Passing, RefusedRequest
from cxr.miner.llm.forms import Written
from cxr.miner.llm.numbers import count
from cxr.miner.llm.prices import Price, price_of
from cxr.miner.llm.probe import LONGEST_PROBE, MOST_PROBES, PROBE
from cxr.miner.llm.settings import ServerSettings
from cxr.miner.llm.wire import WireError
from cxr.schemas.vocabulary import Licence

# The longest prompts of mining with their examples, and a chain.
_ENOUGH_CONTEXT = 8192
_MOST_TOKENS = 10**8
_CONTEXT_NAMES = ("max_model_len", "context_length", "max_context_length", "context_window", "n_ctx")
_SHOWN_MODELS = 20


class Format(StrEnum):
    """How what was found is shown."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True)
class Examined:
    """What a server was found to take."""

    settings: ServerSettings
    capabilities: Capabilities
    takes: Takes
    requests: int
    """Chat completions that were asked for, refused ones included."""
    failure: str | None
    """Why nothing works; None where a request was answered."""
    models: tuple[str, ...]
    """Those that the server lists."""
    spending: str
    price: Price | None

    @property
    def works(self) -> bool:
        """Whether the server answered."""
        return self.failure is None

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return what is asked of a server, whether it takes it, what is sent, and how that was found."""
        known = self.capabilities
        rows = [self._row(part) for part in Part]
        for name, about, found in (
            ("logprobs", "asked for by nothing", known.logprobs),
            ("usage", "books what a call cost", known.usage),
            ("cached tokens", "are billed at their own price", known.cached_tokens),
            ("vision", "cxr predict sends images", known.vision),
            ("batches", "cxr mine --batch", known.batches),
        ):
            rows.append((name, _yes(found), about, ""))
        rows.append(("context length", f"{known.context_length:,}" if known.context_length else "not said", "", ""))
        price = "not known" if self.price is None else f"{self.price.input:g} in, {self.price.output:g} out"
        rows.append(("USD per million tokens", price, "", "" if self.price is None else self.price.source))
        return rows

    def _row(self, part: Part) -> tuple[str, str, str, str]:
        refused = [one for one in self.capabilities.refused if one.part is part]
        way = self.takes.way(part)
        if refused:
            takes = f"not {', '.join(one.way for one in refused)}"
        else:
            takes = _yes(True if self.works and self._was_asked(part) else None)
        sent = {NOT_SENT: "nothing", "user": "in the user's message", "plain": "in words, no response_format"}
        if part is Part.RESPONSE_FORMAT and way == "json_object":
            return str(part), takes, "json_object, and the schema in words", refused[-1].said if refused else ""
        return str(part), takes, sent.get(way, way), refused[-1].said if refused else ""

    def _was_asked(self, part: Part) -> bool:
        """Return whether the part was in a request that was answered."""
        if part is Part.TEMPERATURE:
            return self.settings.temperature is not None
        if part is Part.SEED:
            return self.settings.sampling_seed is not None
        if part is Part.BOUNDS:
            return False  # the tiny requests have none
        return part is not Part.RESPONSE_FORMAT or self.capabilities.replied_in is not None

    def advice(self) -> Iterator[str]:
        """Yield what to change, a sentence each."""
        known, model = self.capabilities, self.settings.named_model
        if self.models and model not in self.models:
            listed = ", ".join(self.models[:_SHOWN_MODELS])
            yield f"the server lists no model {model!r} but {listed}{nearest(model, self.models)}"
        if not self.works:
            return
        if self.price is None and not self.settings.base_url.startswith("http://127."):
            yield "no price is known: give --price INPUT,OUTPUT in USD per million tokens, and --max-usd can hold"
        if known.usage is False:
            yield "replies do not count their tokens: costs stay unknown, so limit calls with --max-calls"
        if known.context_length is not None and known.context_length < _ENOUGH_CONTEXT:
            yield (
                f"a context of {known.context_length:,} tokens is short for prompts with examples and a chain: serve "
                f"the model with {_ENOUGH_CONTEXT:,} or more"
            )
        if self.takes.length == NOT_SENT:
            yield "no reply can be kept short: a model that repeats itself is paid for as long as the server lets it"
        if known.replied_in is None and self.takes.response_format != "plain":
            yield "no reply in its shape was seen yet; the first call of a run will tell"

    def as_json(self) -> dict[str, Any]:
        """Return everything, for programs."""
        return {
            **self.capabilities.model_dump(mode="json"),
            "works": self.works,
            "failure": self.failure,
            "requests": self.requests,
            "sends": {str(part): self.takes.way(part) for part in Part},
            "models": list(self.models),
            "price": None if self.price is None else self.price.model_dump(mode="json"),
            "change": list(self.advice()),
        }


def examine(settings: ServerSettings, books: FileBooks) -> Examined:
    """Ask a server what it takes, whatever is remembered of it, and remember that.

    Raises SettingsError without a model, or a key where one is needed, and PolicyError where a key would be read on
    its way.
    """
    anew = settings.model_copy(update={"probe": "again"})
    with open_client(anew, books, books.job("doctor", settings.named_model)) as client:
        requests, failure, models, serving = _examined(client)
        spending = client.spending
    return Examined(
        settings, serving.capabilities, serving.takes, requests, failure, models, spending, price_of(settings)
    )


@waiting
async def _examined(client: Client) -> tuple[int, str | None, tuple[str, ...], Any]:
    serving = client.serving
    models = await _models(client)
    try:
        requests, answered = await client.probe()
        failure = None if answered else f"every request was refused ({serving.last_refusal})"
    except (CxrError, Passing, RefusedRequest) as error:
        requests, answered, failure = client.counters.calls, False, str(error)
    if answered:
        if requests < MOST_PROBES:
            requests += 1
            await _look_at_a_picture(client)
        batches = await _said(client, "/batches?limit=1")
        serving.know(batches=isinstance(batches, dict) and isinstance(batches.get("data"), list))
    return requests, failure, models, serving


async def _models(client: Client) -> tuple[str, ...]:
    """Return the models that the server lists; note the context of ours where it is said."""
    said = await _said(client, "/models")
    listed = said.get("data") if isinstance(said, Mapping) else None
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    for one in found:
        if one.get("id") == client.settings.model and (length := _context_of(one)):
            client.serving.know(context_length=length)
    return tuple(name for one in found if isinstance(name := one.get("id"), str))


def _context_of(model: Mapping[str, Any]) -> int | None:
    meta = model.get("meta")
    places = (model, meta if isinstance(meta, dict) else {})
    said = (count(place.get(name), _MOST_TOKENS) for place in places for name in _CONTEXT_NAMES)
    return next((length for length in said if length), None)


async def _said(client: Client, path: str) -> Any:
    """Return what the server says to a look that costs nothing, None where it says nothing of use."""
    try:
        reply = await client.wire.ask("GET", path)
    except WireError:
        return None
    return reply.json() if reply.status == 200 else None


async def _look_at_a_picture(client: Client) -> None:
    """Ask for the colour of a red square, with logprobs; a model that does not name it did not see it."""
    settings, serving = client.settings, client.serving
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(_red()).decode()}"}}
    words = {"type": "text", "text": "Which colour is this square? Answer with one word."}
    request = {
        **settings.sampling(),
        "max_completion_tokens": min(LONGEST_PROBE, settings.max_completion_tokens),
        "messages": [{"role": "user", "content": [picture, words]}],
        "model": settings.named_model,
        "logprobs": True,
    }
    sent = Written.of(request, "json_schema").sent(serving.takes)
    before = serving.last_refusal
    try:
        reply: ChatCompletion = await client.once(sent, Asked("-", PROBE, Licence.PUBLIC))
    except (CxrError, Passing, RefusedRequest) as error:
        refused = serving.last_refusal if serving.last_refusal != before else str(error)
        serving.know(**({"logprobs": False} if "logprob" in str(refused) else {"vision": False}))
        return
    choice = reply.choices[0]
    serving.know(vision="red" in (choice.message.content or "").lower(), logprobs=choice.logprobs is not None)


def _red() -> bytes:
    """Return a PNG file of a red square, large enough for every vision model's patches."""
    side = 64
    rows = (b"\x00" + b"\xff\x00\x00" * side) * side
    parts = ((b"IHDR", struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _yes(found: bool | None) -> str:  # noqa: FBT001 - it is all that there is
    return "not asked" if found is None else "yes" if found else "no"
