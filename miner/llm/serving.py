"""How a model server is asked at this moment: with the best that it takes, which its refusals and replies teach.

Nobody is asked beforehand. The first request of a run is written for a server that takes everything, and goes alone
until it is known whether this one does; what a refusal names is left out or said otherwise, and the same request is put
again at once. Refusals are free. A way that was refused in this run is never tried again in it, so that no server, and
none that changes its mind, can keep us going round.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from openai.types.chat import ChatCompletion

from cxr.miner.kit.console import say
from cxr.miner.llm import blame
from cxr.miner.llm.capabilities import (
    NOT_SENT,
    WAYS,
    Capabilities,
    Part,
    Refused,
    Remembered,
    Takes,
    today,
    unknown,
)
from cxr.miner.llm.failures import Permanent, RefusedRequest
from cxr.miner.llm.forms import LEAST_REPLY, Sent
from cxr.miner.llm.quoted import quoted
from cxr.miner.llm.refusals import Refusal, Trouble, refusal
from cxr.miner.llm.settings import ServerSettings
from cxr.miner.llm.wire import WireReply

# A server says no at once and yes only when it has written: after so long nobody waits for the first request any more.
_ALONE_S = 2.0
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_COMPLAINT = re.compile(r"support|unknown|unrecogni[sz]ed|not permitted|alternate|must be|only|invalid", re.IGNORECASE)
_MEANS = {
    Part.RESPONSE_FORMAT: {
        "tools": "is asked for a tool's arguments instead of json_schema",
        "json_object": "is asked for a JSON object, with the schema in words",
        "plain": "is told the schema in words",
    },
    Part.SYSTEM: {
        "developer": "gets its instructions from role developer",
        "user": "gets its instructions in the user's message",
        "system": "gets its instructions from role system",
    },
    Part.LENGTH: {
        "max_tokens": "is told the longest reply as max_tokens",
        "max_completion_tokens": "is told the longest reply as max_completion_tokens",
        NOT_SENT: "is told no longest reply",
    },
    Part.TEMPERATURE: {NOT_SENT: "is sent no temperature", "temperature": "is sent a temperature"},
    Part.SEED: {NOT_SENT: "is sent no seed", "seed": "is sent a seed"},
    Part.BOUNDS: {
        NOT_SENT: "is sent schemas without the lengths of texts and lists",
        "bounds": "is sent lengths in schemas",
    },
}
_SETTING = {
    Part.RESPONSE_FORMAT: ("response_format", 'set response_format = "auto"'),
    Part.LENGTH: ("max_completion_tokens", "set a smaller one, or none"),
    Part.TEMPERATURE: ("temperature", 'set temperature = "none"'),
    Part.SEED: ("sampling_seed", 'set sampling_seed = "none"'),
}
"""The setting behind each part that has one, and what to do where the server does not take what it is set to."""


class Adapted(RefusedRequest):
    """A refusal that taught how the same request is put instead."""

    def __init__(self, kind: str, room: int | None = None) -> None:
        super().__init__(kind)
        self.room = room
        """Tokens that the server's context leaves for the reply to this request."""


class Unexplained(RefusedRequest):
    """A refusal that names nothing, of a server that has not answered yet; `failure` is what it would mean."""

    def __init__(self, kind: str, failure: Exception) -> None:
        super().__init__(kind)
        self.failure = failure


class Serving:
    """One model server as one client sees it; the tasks of one event loop share it."""

    def __init__(self, settings: ServerSettings, folder: Path | None) -> None:
        self._settings = settings
        self._file = None if folder is None else Remembered(folder)
        known = None if self._file is None or settings.probe == "again" else self._file.of(settings)
        self.capabilities: Capabilities = known or unknown(settings)
        self.settled = known is not None and known.usage is not None
        """Whether requests need not wait for what the first one teaches."""
        self.answered = False
        self.probed = False
        self.last_refusal: str | None = None
        self._fresh: set[tuple[Part, str]] = set()
        """What was refused since the client was made."""
        self._unheeded = False
        """Whether a reply was longer than it was asked to be."""
        self._alone: asyncio.Event | None = None
        self._probing: asyncio.Event | None = None
        self.takes = self._best()
        self._at_first = self.takes

    # ---- one at a time, until it is known what the server takes

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait while another request finds out what the server takes; be that request where there is none."""
        while not self.settled and (first := self._alone) is not None:
            try:
                await asyncio.wait_for(first.wait(), _ALONE_S)
            except TimeoutError:
                break  # it is being answered: there is nothing to wait for
        if self.settled or self._alone is not None:
            yield
            return
        alone = self._alone = asyncio.Event()
        try:
            yield
        finally:
            self._alone = None
            alone.set()

    @contextlib.contextmanager
    def probing(self) -> Iterator[None]:
        """Let those whose requests fail wait for what tiny ones find out."""
        self.probed = True
        ended = self._probing = asyncio.Event()
        try:
            yield
        finally:
            self._probing = None
            ended.set()

    async def probe_ended(self) -> None:
        """Wait for the tiny requests that are under way, if there are any."""
        if self._probing is not None:
            await self._probing.wait()

    def settle(self) -> None:
        """Let everybody go: what can be known without asking is known."""
        self.settled = True

    # ---- what refusals teach

    def heard(self, reply: WireReply, sent: Sent, failure: Exception | None) -> Exception | None:
        """Return how a refusal is met otherwise than by `failure`, its plain meaning; None where it is not.

        That is Adapted where the same request is to be put again, Permanent where the server refuses what the user has
        set, and Unexplained where asking is the only way to know.
        """
        answered = reply.status == 200 and b'"choices"' in reply.body
        said = None if answered else refusal(reply)
        if said is None:
            return None
        if said.trouble is Trouble.CONTEXT:
            return self._shorter(said, sent.body)
        if not blame.is_eligible(said) or (said.status >= 500 and not _COMPLAINT.search(said.message)):
            return None
        # Without the request nobody can tell which words are its own.
        self.last_refusal = (quoted(said, sent.body) if sent.key else "") or said.kind
        parts = blame.blamed(reply, said, sent.takes)
        longest = blame.longest_in(said, _longest(sent.body)) if Part.LENGTH in parts else None
        if (found := self._set_and_refused(reply, said, parts, sent.takes, longest)) is not None:
            what, instead = found
            sentence = f"{self._named} does not take {what} ({self.last_refusal}); {instead} and run it again"
            return Permanent(sentence, said.kind)
        if self._learn(parts, sent.takes, self.last_refusal, longest):
            return Adapted(said.kind)
        return None if parts else self._unexplained(said, failure)

    def heard_in_batch(self, line: Mapping[str, Any]) -> bool:
        """Learn from a line of a batch's result; return whether it taught how the next round is put otherwise."""
        said = line.get("response")
        status, body = (said.get("status_code"), said.get("body")) if isinstance(said, dict) else (None, None)
        if isinstance(status, int) and status >= 400:
            reply = WireReply(status, {}, json.dumps(body).encode())
            return isinstance(self.heard(reply, Sent("", b"{}", self._at_first), RefusedRequest("in a batch")), Adapted)
        return False

    def _unexplained(self, said: Refusal, failure: Exception | None) -> Exception | None:
        """Return how a refusal is met that names nothing."""
        # A router's 404 for a request that none of its providers takes knows the model well.
        if self.probed and said.trouble is Trouble.NO_PROVIDER:
            return RefusedRequest(said.kind)
        # One that repeats the request is about what stands in it, not about its form.
        if self.answered or said.status >= 500 or '"messages"' in said.message:
            return None
        return None if self.probed else Unexplained(said.kind, failure or RefusedRequest(said.kind))

    def _learn(self, parts: Collection[Part], takes: Takes, words: str, longest: int | None) -> bool:
        """Note which ways were refused; return whether the request would be put otherwise now."""
        for part in sorted(parts):
            way = takes.way(part)
            if part is Part.LENGTH and longest is not None:
                self.know(longest_reply=longest)
                say(f"{self._named} writes {longest:,} tokens at most, and is asked for no more ({words})")
            elif way != WAYS[part][-1] and (part, way) not in self._fresh:
                # The role developer is a name that only some of OpenAI's models know.
                also = ("developer",) if way == "system" and "developer" not in words else ()
                if way == "max_tokens" and self._unheeded:
                    self._take_again(Part.LENGTH, "max_completion_tokens")
                self.refuse(part, way, *also, words=words)
        return bool(parts) and self.takes != takes

    def adopt(self, takes: Takes) -> None:
        """Ask in a form that was answered, where better ones were refused without a word."""
        for part in Part:
            better = WAYS[part][: WAYS[part].index(takes.way(part))]
            if self.takes.way(part) in better:
                self.refuse(part, *better, words="it refuses more than that without a reason")

    def refuse(self, part: Part, *ways: str, words: str) -> None:
        """Note that ways were refused; what earlier runs had found of this part has changed, and is forgotten."""
        self._fresh |= {(part, way) for way in ways}
        kept = [
            one
            for one in self.capabilities.refused
            if one.way not in ways and (one.part is not part or (part, one.way) in self._fresh)
        ]
        new = [Refused(part=part, way=way, said=words, on=today()) for way in ways]
        self.know(refused=(*kept, *new))
        say(f"{self._named} {_MEANS[part][self.takes.way(part)]} from now on ({words})")

    def _take_again(self, part: Part, way: str) -> None:
        """Forget that a way was refused: it was not heeded, and the next best is not even taken."""
        self._fresh.discard((part, way))
        self.know(refused=tuple(one for one in self.capabilities.refused if one.way != way))

    def _shorter(self, said: Refusal, body: bytes) -> Adapted | None:
        """Return a request with a shorter reply for one that is too long for the context; None where none fits."""
        limit, longest = said.context[0] if said.context else 0, _longest(body)
        prompt = blame.prompt_in(said)
        if not limit or prompt is None:
            return None
        if limit != self.capabilities.context_length:
            self.know(context_length=limit)
        room = limit - prompt
        return Adapted(said.kind, room) if LEAST_REPLY <= room < longest else None

    def _set_and_refused(
        self, reply: WireReply, said: Refusal, parts: Collection[Part], takes: Takes, longest: int | None
    ) -> tuple[str, str] | None:
        """Return what a refusal is about that the user has set, and what to do: it is not changed behind their back."""
        settings = self._settings
        for part, (name, instead) in _SETTING.items():
            # The longest reply may be said under another name; that it is not said, or shorter, is the user's to say.
            mendable = part is Part.LENGTH and longest is None and takes.length == "max_completion_tokens"
            if part in parts and self._is_set(name) and not mendable:
                return f"{name} = {getattr(settings, name)}", instead
        if parts:
            return None
        given = [*settings.extra_body, *(["reasoning_effort"] if settings.reasoning_effort else [])]
        refused = blame.named_in(reply, said, given)
        if refused is None:
            return None
        return (refused if refused == "reasoning_effort" else f"{refused} of extra_body"), "take it out of the settings"

    # ---- what replies teach

    def replied(self, completion: ChatCompletion, request: Mapping[str, Any], takes: Takes) -> None:
        """Learn from an answer; a reply that is not in the shape that was asked for lets the next form be tried."""
        self.answered = True
        known = self.capabilities
        usage = completion.usage
        told: dict[str, Any] = {"usage": usage is not None}
        if usage is not None and usage.prompt_tokens_details is not None:
            told["cached_tokens"] = True
        if (asked := request.get("max_completion_tokens")) is not None and usage is not None:
            self._is_kept_short(usage.completion_tokens, asked, takes)
        followed = self._followed(completion, request, takes.response_format)
        if followed is False:
            self.know(**told)
            words = f"the reply was not in the shape that {takes.response_format} asks for"
            self.refuse(Part.RESPONSE_FORMAT, takes.response_format, words=words)
            return
        if followed:
            told["replied_in"] = takes.response_format
        self.settle()
        if any(getattr(known, name) != value for name, value in told.items()):
            self.know(**told)

    def _followed(self, completion: ChatCompletion, request: Mapping[str, Any], form: str) -> bool | None:
        """Return whether a reply came in the shape that was asked for; None where that is known, or none was asked."""
        required = _required(request)
        known = form in ("plain", self.capabilities.replied_in) or (Part.RESPONSE_FORMAT, form) in self._fresh
        if required is None or known or self._is_set("response_format"):
            return None
        return follows(completion, required, form)

    def _is_kept_short(self, tokens: int, asked: int, takes: Takes) -> None:
        """Say the longest reply under its other name where the server did not heed it under this one."""
        if takes.length == "max_completion_tokens" and tokens > asked + asked // 16 and not self._unheeded:
            self._unheeded = True
            self.refuse(Part.LENGTH, takes.length, words=f"a reply of {tokens:,} tokens where {asked:,} were asked for")

    # ---- what is known

    def know(self, **found: Any) -> None:
        """Note what was found, and remember it."""
        self.capabilities = self.capabilities.model_copy(update={**found, "found_on": today()})
        self.takes = self._best()
        if self._file is not None:
            self._file.keep(self.capabilities)

    def _best(self) -> Takes:
        """Return how requests are put now: what the user has set stands, the rest is the best that is taken."""
        takes = self.capabilities.takes()
        settings = self._settings
        if settings.response_format != "auto":
            takes = takes._replace(response_format=settings.response_format)
        if self._is_set("max_completion_tokens") and takes.length == NOT_SENT:
            takes = takes._replace(length="max_tokens")
        if self._is_set("temperature"):
            takes = takes._replace(temperature="temperature")
        if self._is_set("sampling_seed"):
            takes = takes._replace(seed="seed")
        return takes

    def _is_set(self, name: str) -> bool:
        """Return whether the user has said what a setting is."""
        return name in self._settings.model_fields_set and getattr(self._settings, name) not in {None, "auto"}

    @property
    def _named(self) -> str:
        return f"{self._settings.model} at {self._settings.base_url}"


def follows(completion: ChatCompletion, required: Collection[str], form: str) -> bool | None:
    """Return whether a reply came in the form that was asked for; None where it ended in no usual way."""
    choice = completion.choices[0]
    message = choice.message
    if choice.finish_reason in {"length", "content_filter"} or message.refusal:
        return None
    if form == "tools" and message.tool_calls:
        return True
    if not message.content:
        return None
    content = _THOUGHTS.sub("", message.content).lstrip()
    try:
        said = json.loads(content, strict=False)
    except (ValueError, RecursionError):
        return None if content.startswith("{") else False
    return form != "tools" and isinstance(said, dict) and set(required) <= said.keys()


def _required(request: Mapping[str, Any]) -> Collection[str] | None:
    """Return the fields of a typed reply, None for a request that asks for no shape."""
    asked = request.get("response_format", {}).get("json_schema")
    return None if asked is None else asked["schema"]["required"]


def _longest(body: bytes) -> int:
    """Return how long a reply was asked for, 0 where that was not said."""
    asked = json.loads(body)
    return int(asked.get("max_completion_tokens") or asked.get("max_tokens") or 0)
