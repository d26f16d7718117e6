"""One model server, asked for typed replies: cache, budget, pace, retries, and a line for every attempt.

A request goes through `Client._reply`: the cache first, then the budget, then its turn, then the ledger, then the wire
with its policy gate. A reply is in the cache, on disk, before anybody reads it.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from openai.types.chat import ChatCompletion
from tenacity import AsyncRetrying, retry_if_exception_type

from cxr.miner.kit.console import say
from cxr.miner.kit.errors import EngineStopped, PolicyError
from cxr.miner.kit.machine import utc_now
from cxr.miner.llm import failures
from cxr.miner.llm.asked import Asked, Deferred, Stopping, Worded, cut_off, rejected, usable
from cxr.miner.llm.attempts import FREE, Attempts, Counters, failed, wait_s
from cxr.miner.llm.batch_api import BatchFiles
from cxr.miner.llm.budget import BYTES_PER_TOKEN, Budget
from cxr.miner.llm.cache import ReplyCache
from cxr.miner.llm.completion import other_model, read_completion
from cxr.miner.llm.course import Course
from cxr.miner.llm.failures import Passing, RefusedRequest
from cxr.miner.llm.forms import Sent, Written
from cxr.miner.llm.guided import keywords_taken, room_for, with_room
from cxr.miner.llm.ledger import Ledger
from cxr.miner.llm.pace import LONGEST_PAUSE_S, Pace
from cxr.miner.llm.prices import billed
from cxr.miner.llm.probe import Probed, answered, probe
from cxr.miner.llm.reading import Unread, ended, text_of
from cxr.miner.llm.reasks import mended, shortened, thought
from cxr.miner.llm.serving import Serving
from cxr.miner.llm.settings import ServerSettings
from cxr.miner.llm.typed import Typed, typed
from cxr.miner.llm.wire import Wire, WireError, WireReply
from cxr.prompts import Prompt, Reply
from cxr.prompts.guide import Guide
from cxr.schemas.call import Call
from cxr.schemas.rejection import Rejection
from cxr.schemas.vocabulary import Licence

R = TypeVar("R", bound=Reply)

# How often the cache is looked into while another process asks what we want to ask.
_LOOK_AGAIN_S = 0.2


@dataclass
class Client:
    """Typed replies from one OpenAI-compatible server; any number of tasks of one event loop may ask at once."""

    settings: ServerSettings
    wire: Wire
    cache: ReplyCache
    budget: Budget
    ledger: Ledger | None = None
    owner: dict[str, str] = field(default_factory=dict)
    """Run and settings that the attempts belong to, as the ledger keeps them."""
    on_call: Callable[[Call], None] = lambda _: None
    sink: BatchFiles | None = None
    """Where requests go that are not in the cache; None sends them."""
    stopping: bool = False

    def __post_init__(self) -> None:
        """Start counting."""
        self.pace = Pace(self.settings.rpm, self.settings.tpm, self.settings.concurrency)
        self.counters = Counters()
        self.course = Course(self.settings)
        self._told_of_another = False
        self._has_answered = self._thinks = False
        self._in_flight: dict[str, asyncio.Event] = {}
        self._room = asyncio.Semaphore(self.settings.concurrency)
        self._damaged: set[str] = set()
        self._attempts = Attempts(self.settings.named_model)
        self._model = self.settings.named_model
        self._sampling = self.settings.sampling()
        self._form = self.settings.written_for
        self.serving = Serving(self.settings, self.cache.folder)

    def stop(self) -> None:
        """Send nothing new from now on; who wants to gets Stopping."""
        self.stopping = True
        self.course.open()
        self.pace.wake()

    async def ask(
        self,
        prompt: Prompt,
        values: Mapping[str, str],
        reply_type: type[R],
        check: Callable[[R], Rejection | None],
        *,
        question_id: str,
        licence: Licence,
        guide: Guide | None = None,
        sampling: Mapping[str, object] | None = None,
    ) -> R:
        """Ask one step until the reply fits its type and passes the check, at most `max_reasks` times again.

        A reply that was cut off is asked for once more, shorter. A `guide` bounds the reply, in its schema and in its
        tokens, by what its question allows. `sampling` is how this request is sampled otherwise than the settings say.

        Raises MiningReject if it never does or no reply comes, EngineStopped if no request can succeed, BudgetReached
        if none may, and PolicyError before anything is sent where the licence forbids it.
        """
        with self.course.question(question_id, prompt.name):
            request: dict[str, Any] = {
                "messages": prompt.messages(values),
                "model": self._model,
                **self._shape(reply_type, guide),
                **self._sampling,
                **(sampling or {}),
                **room_for(guide, self.settings),
            }
            return await self._typed(Asked(question_id, prompt, licence), request, reply_type, check)

    def _form_of(self, reply_type: type[R]) -> Typed[R]:
        return typed(reply_type, "tools" if self._form == "tools" else "json_schema")

    def _shape(self, reply_type: type[R], guide: Guide | None) -> dict[str, Any]:
        form = self._form_of(reply_type)
        return form.request if guide is None else form.request_for(guide, keywords_taken(self.settings))

    async def _typed(
        self,
        asked: Asked,
        request: dict[str, Any],
        reply_type: type[R],
        check: Callable[[R], Rejection | None],
    ) -> R:
        form = self._form_of(reply_type)

        def checked(reply: R) -> Rejection | None:
            asked.rejection = check(reply)
            return asked.rejection

        for _ in range(self.settings.max_reasks + 1):
            completion = usable(await self._whole(request, asked), asked)
            asked.rejection = None
            try:
                reply: R = form.parse(completion, checked)
                return reply
            except Unread as error:
                asked.fault = error.fault
                request = mended(request, error.fault)
        raise rejected(asked)

    async def _whole(self, request: Mapping[str, Any], asked: Asked) -> ChatCompletion:
        """Return the reply to one request; one that was cut off is asked for once more, to be shorter."""
        completion = ended(await self._reply(request, asked))
        self._thinks = self._thinks or thought(completion)
        if cut_off(completion) and not asked.shortened:
            asked.shortened = True
            room = self.settings.max_completion_tokens if thought(completion) else None
            completion = ended(await self._reply(shortened(request, room), asked))
        return completion

    async def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        worded: Worded,
        *,
        question_id: str,
        licence: Licence,
        prompt_tokens: float,
    ) -> ChatCompletion:
        """Send messages, images among them as `data:` URLs, and give the reply as it comes, cut off or empty.

        `prompt_tokens` is what the request is expected to count. Raises what `ask` raises, but never for what the
        reply says.
        """
        asked = Asked(question_id, worded, licence, prompt_tokens)
        with self.course.reply_to(question_id) as note:
            completion = await self._reply({"messages": messages, "model": self._model, **self._sampling}, asked)
            note(text_of(completion))
        return completion

    async def probe(self) -> Probed:
        """Find out with a few tiny requests what the server takes; raises what `ask` raises."""
        return await probe(self.serving, self.settings, self.once)

    async def _reply(self, request: Mapping[str, Any], asked: Asked) -> ChatCompletion:
        """Return the reply to one request, from the cache or the server."""
        written = Written.of(request, self._form)
        key = written.key
        if self._thinks:  # whose key stays the same: what was asked before we knew is found
            written = Written.of(with_room(request, self.settings), self._form)._replace(key=key)
        ours = False
        try:
            while True:
                # After the claim we look again: another process may just have been answered.
                if (cached := self._cached(asked, key)) is not None:
                    return cached
                if ours:
                    return await self._fetch(written, asked)
                self.wire.allow(asked.licence, stored=self.sink is not None)
                if self.sink is not None:
                    self.sink.defer(key, written.sent(self.serving.takes, None, asked.prompt_tokens).body, asked)
                    raise Deferred
                ours = await self._turn_to_ask(key)
        finally:
            if ours:
                self.cache.release(key)
                self._in_flight.pop(key).set()

    def _cached(self, asked: Asked, key: str) -> ChatCompletion | None:
        """Return the reply from the cache and count it; None where there is none that can be read."""
        stored = self.cache.get(key)
        if stored is None:
            return None
        try:
            completion = read_completion(stored)
        except Passing:
            if key not in self._damaged:  # which is looked up again before it is asked
                self._damaged.add(key)
                say(f"the reply cache holds something that is no reply ({key[:12]}); it is asked again and replaced")
            return None
        asked.attempts += 1
        self.counters.cached += 1
        self.on_call(self._attempts.call(asked, key, cache_hit=True))
        return completion

    async def _turn_to_ask(self, key: str) -> bool:
        """Return whether we are to send this request; if not, wait until whoever sends it may have been answered.

        Raises Stopping where the run is about to end.
        """
        if self.stopping:
            raise Stopping
        if (same := self._in_flight.get(key)) is not None:
            await same.wait()
            return False
        if not self.cache.claim(key):
            await self.pace.nap(_LOOK_AGAIN_S)
            return False
        self._in_flight[key] = asyncio.Event()
        return True

    async def _fetch(self, written: Written, asked: Asked) -> ChatCompletion:
        """Get a reply from the server, trying again after passing failures."""
        asked.faltered = asked.throttled = 0
        tries = AsyncRetrying(
            retry=retry_if_exception_type(Passing),
            stop=lambda _: asked.faltered >= self.settings.max_tries,
            wait=lambda _: wait_s(asked),
            sleep=self.pace.nap,
            reraise=True,
        )
        try:
            reply: ChatCompletion = await tries(self._in_turn, written, asked)
        except Passing as failure:
            raise self.course.no_reply(
                asked, f"{failure.kind}, {self.settings.max_tries} tries", failure.told
            ) from None
        except RefusedRequest as failure:
            raise self.course.no_reply(asked, failure.kind, failure.told) from None
        self.course.replied()
        return reply

    async def _in_turn(self, written: Written, asked: Asked) -> ChatCompletion:
        async with self.course.turn(asked.question_id):
            return await answered(self.serving, self.settings, self.once, written, asked)

    async def once(self, sent: Sent, asked: Asked) -> ChatCompletion:
        """Make one request and write it down, whatever comes of it."""
        if self.stopping:
            raise Stopping
        tokens = len(sent.body) / BYTES_PER_TOKEN if asked.prompt_tokens is None else asked.prompt_tokens
        reserved = self.budget.reserve(tokens)
        asked.attempts += 1
        call = self._attempts.call(asked, sent.key)
        ended = call.model_copy(update={"error": "dropped in flight"})
        left, started = False, time.monotonic()
        try:
            await self.pace.turn(tokens + self.budget.mean_completion)
            async with self._room:  # given up when the reply is here: while it is read, another one is on its way
                if self.stopping:
                    raise Stopping
                left, started = True, time.monotonic()
                self.counters.in_flight += 1
                try:
                    reply = await self._exchange(sent, asked, call)
                finally:
                    self.counters.in_flight -= 1
                    seconds = time.monotonic() - started
            completion, ended = await self._taken_in(reply, sent, call, seconds)
            return completion
        except (Passing, RefusedRequest, EngineStopped, PolicyError) as failure:
            if left:
                ended = failed(call, failure, time.monotonic() - started)
                asked.faltered += isinstance(failure, Passing) and not failure.throttled
                asked.throttled += isinstance(failure, Passing) and failure.throttled
            raise
        finally:
            if left:
                self._settle(reserved, ended)
            else:
                self.budget.release(reserved)
                asked.attempts -= 1

    async def _exchange(self, sent: Sent, asked: Asked, call: Call) -> WireReply:
        """Send a request and give what comes back; raises what no reply means."""
        try:
            return await self.wire.complete(sent.body, asked.licence, lambda: self._begin(call))
        except WireError as error:
            raise failures.of_wire(error, self.settings, has_answered=self._has_answered) from None

    async def _taken_in(self, reply: WireReply, sent: Sent, call: Call, seconds: float) -> tuple[ChatCompletion, Call]:
        """Keep a reply in the cache and give it with its call; raises what it says went wrong."""
        failure = failures.of_reply(reply, self.settings, sent.body)
        generated = failure.generated if isinstance(failure, Passing) else None
        if generated is None:
            if isinstance(failure, Passing) and failure.throttled:
                self._throttled(reply.headers)
            elif taught := self.serving.heard(reply, sent, failure):
                raise taught
        if failure is not None and generated is None:
            raise failure
        self._has_answered = True
        self.pace.answered(reply.headers)
        text = reply.body.decode("utf-8", "replace") if generated is None else failures.as_completion(generated)
        completion = read_completion(text)
        await asyncio.wrap_future(self.cache.put_soon(sent.key, text))
        return completion, self.answered(call, completion, seconds)

    def answered(self, call: Call, completion: ChatCompletion, seconds: float) -> Call:
        """Return a call with what its reply says of tokens, and what they cost."""
        other = None if self.settings.api == "azure" else other_model(completion, self._model)
        if other is not None and not self._told_of_another:
            self._told_of_another = True
            say(f"{self.settings.base_url} answers as {other}, not as {self._model}; its replies are kept, see calls")
        ended = call.model_copy(update={"latency_s": seconds, "called_at": utc_now(), "answered_by": other})
        return ended if completion.usage is None else billed(ended, completion.usage, self.budget.price)

    async def _begin(self, call: Call) -> None:
        """Write down that a request leaves now; it is safe on disk when this returns."""
        if self.ledger is not None:
            await asyncio.wrap_future(self.ledger.begin(call, self.owner))

    def from_batch(self, call: Call, line: Mapping[str, Any]) -> Call:
        """Take in one line of a batch's result file: the reply goes into the cache, and its call is given back."""
        if (said := failures.of_line(line)) is not None:
            return call.model_copy(update={"error": said.kind if said.status else "batch error", **FREE})
        body = line["response"].get("body")
        if not isinstance(body, dict):
            return call.model_copy(update={"error": "a reply that is no completion", **FREE})
        text = json.dumps(body)
        try:
            completion = read_completion(text)
        except Passing as failure:
            return call.model_copy(update={"error": failure.kind})
        self.cache.put(call.request_hash, text)
        return self.answered(call, completion, 0.0)

    def _settle(self, reserved: float, ended: Call) -> None:
        self.counters.calls += 1
        self.counters.failed += ended.error is not None
        self.counters.prompt_tokens += ended.prompt_tokens or 0
        self.counters.completion_tokens += ended.completion_tokens or 0
        self.budget.settle(reserved, ended.cost_usd, ended.completion_tokens)
        self.course.settled(ended)
        if self.ledger is not None:
            self.ledger.end(ended, self.owner)
        self.on_call(ended)

    def _throttled(self, headers: Mapping[str, str]) -> None:
        """Make everybody wait after a 429; raises EngineStopped where that takes too long."""
        wait = self.pace.throttled(headers)
        if wait > LONGEST_PAUSE_S or self.pace.throttled_for_s() > self.settings.patience_s:
            raise EngineStopped(
                f"{self.settings.base_url} has answered nothing but HTTP 429 for {self.pace.throttled_for_s():.0f} s "
                f"and asks for another {wait:.0f} s; run the same command again later, or lower --concurrency or --rpm"
            )
