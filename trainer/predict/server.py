"""A vision-language model behind an OpenAI-compatible server: vLLM, GPT-4o, Azure.

Images leave as `data:` URLs through the miner's client, and so past the same gate, cache, limits and budget as the text
of reports: those of a credentialed corpus go to this machine or to an attested endpoint, or nowhere.
"""

import base64
import hashlib
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from openai.types.chat import ChatCompletion
from PIL import Image
from rich.table import Table

from cxr.miner.benchmark.settings import Mode
from cxr.miner.images.facts import read_facts
from cxr.miner.images.pictures import Fit, Picture, Square, Within, is_grey, open_picture
from cxr.miner.imports.thoughts import thoughts_in, with_thoughts
from cxr.miner.kit.console import table
from cxr.miner.kit.errors import EngineStopped, MiningReject
from cxr.miner.kit.parallel import ordered_map
from cxr.miner.kit.progress import clock
from cxr.miner.llm.asked import Stopping
from cxr.miner.llm.background import BackgroundClient
from cxr.miner.llm.budget import BYTES_PER_TOKEN, seconds_for
from cxr.miner.llm.failures import Permanent
from cxr.miner.llm.policy import check_endpoint
from cxr.miner.llm.prices import price_of
from cxr.prompts.instructions import Instructions
from cxr.schemas.vocabulary import Licence, RejectReason
from cxr.trainer.predict.samples import Predicted, Request
from cxr.trainer.predict.settings import QWEN_PIXELS, PredictSettings
from cxr.trainer.predict.speed import Speed

# OpenAI's count for GPT-4o: 85 tokens, and 170 for each tile of 512 x 512; Qwen's comes to about the same.
_IMAGE_TOKENS, _TILE_TOKENS, _TILE = 85, 170, 512
# Before anything has been measured: a chain of the paper's length, an answer in its tags, seconds for a reply.
_REPLY_TOKENS = {Mode.REASONING: 250, Mode.ANSWER_ONLY: 15}
_LATENCY_S = 4.0
_SAMPLE = 200


@dataclass(frozen=True)
class Instruction:
    """One way of asking, as calls remember it."""

    name: str
    hash: str
    version: int = 1

    @classmethod
    def of(cls, instructions: Instructions, mode: Mode) -> "Instruction":
        """Return how a mode is asked."""
        words = f"{instructions.system}\n{instructions.form(mode)}"
        return cls(f"predict_{mode}", hashlib.sha256(words.encode()).hexdigest())


def check_policy(requests: Sequence[Request], settings: PredictSettings) -> None:
    """Raise PolicyError where images or questions of any sample may not go to the server; nothing has been sent yet."""
    for licence in licences_of(requests):
        check_endpoint(settings.base_url, licence, settings.attestations)


def licences_of(requests: Sequence[Request]) -> list[Licence]:
    """Return the licences of the samples, each once."""
    return [Licence(licence) for licence in sorted({request.sample.licence for request in requests})]


class Server:
    """A server that is ready to be asked."""

    def __init__(self, client: BackgroundClient, settings: PredictSettings) -> None:
        self._client = client
        self._settings = settings
        self._fit = _fit(settings)
        self._takes_images = False

    def predict(
        self, requests: Sequence[Request], *, name: str, benchmark: str, speed: Speed
    ) -> Iterator[list[Predicted]]:
        """Return the predictions one by one, in the order of the requests; as many are in flight as the settings say.

        Each thread prepares the images of its request and then waits for the reply, so one hides the other.
        """
        speed.start(len(requests))
        work = partial(self._ask, name=name, benchmark=benchmark)
        for made in ordered_map(work, requests, self._client.settings.concurrency):
            speed.ended([made])
            yield [made]

    def _ask(self, request: Request, *, name: str, benchmark: str) -> Predicted:
        said: dict[str, Any]
        try:
            messages, tokens = self._messages(request)
            reply = self._client.complete(
                messages,
                Instruction.of(request.instructions, request.mode),
                question_id=request.sample.sample_id,
                licence=Licence(request.sample.licence),
                prompt_tokens=tokens,
            )
            self._takes_images = self._takes_images or bool(request.sample.images)
            said = _said(reply)
        except MiningReject as reject:
            said = {"error": f"{reject.reason}: {reject.message}"}
        except Permanent:
            raise
        except EngineStopped as stopped:
            # What is wrong with the key, the model or the account is wrong without images, too.
            unsure = not isinstance(stopped, Permanent) and "context" not in str(stopped)
            if request.sample.images and not self._takes_images and unsure and "HTTP 4" in str(stopped):
                raise EngineStopped(
                    f"{self._client.settings.base_url} takes no images ({str(stopped).partition(';')[0]}); serve a "
                    "vision-language model there, or lower --max-pixels"
                ) from None
            raise
        except Stopping:
            raise KeyboardInterrupt from None
        return request.predicted(name, benchmark, **said)

    def _messages(self, request: Request) -> tuple[list[dict[str, Any]], float]:
        """Return the conversation, with the images before the question, and how many tokens it is expected to count."""
        tokens = _text_tokens(request)
        shown = []
        for picture in request.sample.images:
            image = open_picture(picture, self._fit)
            tokens += image_tokens(*image.size)
            shown.append({"type": "image_url", "image_url": {"url": data_url(image, self._settings.picture)}})
        user = [*shown, {"type": "text", "text": request.text}]
        return request.instructions.turns(user), tokens


def data_url(image: Image.Image, kind: str) -> str:
    """Encode an image as a `data:` URL of a PNG or JPEG file; three equal channels become one."""
    buffer = io.BytesIO()
    options = {"quality": 95} if kind == "jpeg" else {}
    (image.getchannel(0) if is_grey(image) else image).save(buffer, kind.upper(), **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def image_tokens(width: int, height: int) -> int:
    """Return about how many tokens a server counts for an image."""
    return _IMAGE_TOKENS + _TILE_TOKENS * math.ceil(width / _TILE) * math.ceil(height / _TILE)


def _said(reply: ChatCompletion) -> dict[str, Any]:
    """Read a reply: what a server keeps apart as thoughts is put back into its tags; withheld output is an error."""
    choice = reply.choices[0]
    text = choice.message.content or choice.message.refusal or ""
    thoughts = thoughts_in(choice.message.model_extra or {})
    if thoughts and not text and ("</think>" in thoughts or "<answer>" in thoughts):
        text = thoughts  # some servers' parsers take the whole output for thoughts
    else:
        text = with_thoughts(text, thoughts, cut_off=choice.finish_reason == "length")
    if choice.finish_reason == "content_filter" and not text:
        return {"error": f"{RejectReason.MODEL_OUTPUT_INVALID}: withheld by the server's content filter"}
    tokens = None if reply.usage is None else reply.usage.completion_tokens
    return {"text": text, "finish": choice.finish_reason, "tokens": tokens}


def estimate_table(requests: Sequence[Request], settings: PredictSettings) -> Table:
    """Return a table of expected calls, tokens, cost and time; nothing is sent, headers measure the images."""
    price = price_of(settings)
    rows: list[tuple[object, ...]] = []
    for mode in Mode:
        chosen = [request for request in requests if request.mode is mode]
        if not chosen:
            continue
        step = max(1, len(chosen) // _SAMPLE)
        sample = chosen[::step]
        sent = sum(_expected_tokens(request, settings) for request in sample) / len(sample)
        counts = (len(chosen) * sent, len(chosen) * min(_REPLY_TOKENS[mode], settings.max_completion_tokens))
        usd = None if price is None else price.cost(*counts, batch=False)
        seconds = seconds_for(settings, len(chosen), sum(counts), _LATENCY_S)
        rows.append((str(mode), len(chosen), round(counts[0]), round(counts[1]), usd, clock(seconds)))
    source = "no price is known: give --price INPUT,OUTPUT" if price is None else price.source
    columns = ["asked for", "calls", "prompt tokens", "reply tokens", "USD", "time"]
    return table(f"Expected for {settings.model} ({source})", columns, rows)


def _expected_tokens(request: Request, settings: PredictSettings) -> float:
    return _text_tokens(request) + sum(image_tokens(*_size(picture, settings)) for picture in request.sample.images)


def _text_tokens(request: Request) -> float:
    return (len(request.instructions.system) + len(request.text)) / BYTES_PER_TOKEN


def _fit(settings: PredictSettings) -> Fit:
    return Within(settings.max_pixels or QWEN_PIXELS) if settings.image_side is None else Square(settings.image_side)


def _size(picture: Picture, settings: PredictSettings) -> tuple[int, int]:
    """Return width and height as they would be sent; a file that cannot be measured counts as the largest."""
    facts = read_facts(picture)
    width, height = facts.width, facts.height
    if not width or not height:
        width = height = math.isqrt(settings.max_pixels or QWEN_PIXELS)
    return _fit(settings)(width, height)
