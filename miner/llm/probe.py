"""Asking in the form that a server takes, and a few tiny requests that show which one it is.

A run needs no tiny request where its first real one is answered, or refused in words. They are for `cxr doctor`, for
batches, and for refusals that say nothing; they hold invented words only. What three of them do not settle is learnt
from the refusals of real ones, which are free.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from openai.types.chat import ChatCompletion
from pydantic import Field

from cxr.miner.kit.errors import EngineStopped
from cxr.miner.llm.asked import Asked
from cxr.miner.llm.capabilities import NOT_SENT, Takes
from cxr.miner.llm.failures import Passing, RefusedRequest
from cxr.miner.llm.forms import BAREST, Sent, Written
from cxr.miner.llm.serving import Adapted, Serving, Unexplained
from cxr.miner.llm.settings import ServerSettings
from cxr.miner.llm.typed import typed
from cxr.prompts.replies import Reply
from cxr.schemas.vocabulary import Licence

MOST_PROBES = 3
# Forms that one request is put into at most: each refusal takes one away, and there are no more.
_MOST_FORMS = 16
# A reasoning model thinks before it writes; the reply itself is twenty tokens.
LONGEST_PROBE = 1024
_MIDDLE = Takes("json_schema", "system", "max_tokens", NOT_SENT, NOT_SENT)
_SYSTEM = "You sort words. Answer with one JSON object of the given schema and nothing else."
_USER = 'One of these words names a colour: "blue", "run". Which one, and how many letters does it have?'


class ProbeReply(Reply):
    """The word that names a colour."""

    word: str = Field(description="the word")
    letters: int = Field(description="how many letters it has")


class _Words(NamedTuple):
    name: str = "probe"
    version: int = 1
    hash: str = hashlib.sha256(f"{_SYSTEM}\n{_USER}".encode()).hexdigest()


class Probed(NamedTuple):
    """What a few tiny requests came to."""

    requests: int
    answered: bool


PROBE = _Words()
Ask = Callable[[Sent, Asked], Awaitable[ChatCompletion]]
"""Makes one request, books it, and gives the reply."""


def tiny(settings: ServerSettings) -> dict[str, Any]:
    """Return the request of a probe, written for a server that takes everything."""
    form = typed(ProbeReply, "tools" if settings.response_format == "tools" else "json_schema")
    messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}]
    longest = {"max_completion_tokens": min(LONGEST_PROBE, settings.max_completion_tokens)}
    return {"messages": messages, "model": settings.named_model, **form.request, **settings.sampling(), **longest}


async def probe(serving: Serving, settings: ServerSettings, ask: Ask, most: int = MOST_PROBES) -> Probed:
    """Ask with everything, and with less after each refusal, at most `most` times; `serving` learns from it.

    A server that refuses and does not say what is asked in the barest form, and then with the schema but without
    sampling. Raises what a request raises after which no other can succeed, and Passing where the line breaks.
    """
    with serving.probing():
        return await _probe(serving, settings, ask, most)


async def _probe(serving: Serving, settings: ServerSettings, ask: Ask, most: int) -> Probed:
    request = tiny(settings)
    written = Written.of(request, settings.written_for)
    takes, barest = serving.takes, False
    for number in range(1, most + 1):
        sent = written.sent(takes)
        try:
            reply = await ask(sent, Asked("-", PROBE, Licence.PUBLIC))
        except Adapted:
            # The last one shall say whether anything works.
            takes = serving.takes if number + 1 < most else _plainest(serving.takes)
            continue
        except (RefusedRequest, Passing) as refused:
            if isinstance(refused, Passing) and not refused.kind.startswith("HTTP 5"):
                raise
            if takes == BAREST or barest:
                break
            takes = BAREST
            continue
        if takes == BAREST and number < most:
            serving.replied(reply, request, takes)
            takes, barest = _MIDDLE, True
            continue
        if takes in {BAREST, _MIDDLE}:
            serving.adopt(takes)
        serving.replied(reply, request, takes)
        if serving.settled or number == most:
            return Probed(number, answered=True)
        takes = serving.takes
    if barest:
        serving.adopt(BAREST)
        serving.settle()
    return Probed(number, answered=barest)


async def answered(
    serving: Serving, settings: ServerSettings, ask: Ask, written: Written, asked: Asked
) -> ChatCompletion:
    """Return the reply to a request, put in the form that the server takes, again as often as a refusal teaches one.

    Raises what `ask` raises, but for what can be put otherwise, and EngineStopped where nothing is taken.
    """
    room: int | None = None
    if not serving.settled and written.is_bare:
        return await ask(written.sent(serving.takes), asked)
    async with serving.turn():
        for _ in range(_MOST_FORMS):
            takes = serving.takes
            try:
                reply = await ask(written.sent(takes, room, asked.prompt_tokens), asked)
            except Adapted as adapted:
                room = adapted.room if room is None else min(room, adapted.room or room)
            except Unexplained as refused:
                if not (await probe(serving, settings, ask)).answered:
                    raise _takes_nothing(serving, settings) from None
                if serving.takes == takes:  # a tiny one was answered in this form: it is this one that is refused
                    raise refused.failure from None
            except Passing as failure:
                serving.settle()
                await serving.probe_ended()
                if serving.takes != takes:  # another question has found out that it was the form
                    continue
                if not _may_be_the_form(serving, settings, failure, asked):
                    raise
                if not (await probe(serving, settings, ask)).answered or serving.takes == takes:
                    raise
            except Exception:
                serving.settle()
                raise
            else:
                serving.replied(reply, written.request, takes)
                return reply
    raise RefusedRequest(f"refused in {_MOST_FORMS} forms")


def _may_be_the_form(serving: Serving, settings: ServerSettings, failure: Passing, asked: Asked) -> bool:
    """Return whether a server that only fails, and has never answered, may do so for the form of what it is asked.

    Some answer HTTP 500 without a word where a model's template has no system role.
    """
    untried = not (serving.answered or serving.probed)
    return untried and failure.kind.startswith("HTTP 5") and asked.faltered >= settings.max_tries


def _takes_nothing(serving: Serving, settings: ServerSettings) -> EngineStopped:
    return EngineStopped(
        f"{settings.base_url} refuses every request for {settings.model}, even one without options, system role and "
        f"schema ({serving.last_refusal}); see that it serves chat completions, and correct --base-url or --model"
    )


def _plainest(takes: Takes) -> Takes:
    """Return a form that is taken wherever this one is, and in some places more."""
    return takes._replace(response_format="plain", temperature=NOT_SENT, seed=NOT_SENT)
