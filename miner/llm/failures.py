"""What a server's failure means: for this attempt, for this question, or for the whole run."""

import json
from collections.abc import Mapping
from typing import Any

from cxr.miner.kit.errors import EngineStopped
from cxr.miner.llm.numbers import count
from cxr.miner.llm.quoted import quoted
from cxr.miner.llm.refusals import Refusal, Trouble, is_error, of_body, of_kind, refusal, word
from cxr.miner.llm.settings import ServerSettings
from cxr.miner.llm.wire import WireError, WireReply

_PASSING = frozenset({Trouble.BUSY, Trouble.SERVER, Trouble.GENERATED})
_OPTION = {
    "temperature": 'set temperature = "none"',
    "seed": 'set sampling_seed = "none"',
    "random_seed": 'set sampling_seed = "none"',
    "max_completion_tokens": "set a smaller max_completion_tokens",
    "max_tokens": "set a smaller max_completion_tokens",
    "response_format": 'set response_format = "tools"',
    "json_schema": 'set response_format = "tools"',
    "tools": 'set response_format = "json_schema"',
    "tool_choice": 'set response_format = "json_schema"',
    "messages": "take a model whose template knows the roles that are sent",
}
"""What to do where a server does not take an option."""
_INSTEAD = {
    Trouble.FILTER: "have the filter of the account lowered, or take another server",
    Trouble.NO_PROVIDER: "allow more providers in the account's settings, or take another model",
    Trouble.GENERATED: "take another response_format or model",
}
_BE_WELL = "see that the server is well and takes the request options"


class Passing(Exception):
    """An attempt that may succeed if repeated; `kind` is fit for a log and a table."""

    def __init__(
        self,
        kind: str,
        *,
        throttled: bool = False,
        billed: bool | None = False,
        told: str = "",
        generated: str | None = None,
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.told = told
        """The server's words, as they may be shown, and what to do."""
        self.generated = generated
        """A reply that the server did not let pass, as it came."""
        self.throttled = throttled
        self.billed = billed
        """Whether the server charged for it; None where nobody can know."""


class RefusedRequest(Exception):
    """A request that this server will never answer, while others may fare better."""

    def __init__(self, kind: str, told: str = "", *, billed: bool | None = False) -> None:
        super().__init__(kind)
        self.kind = kind
        self.billed = billed
        self.told = told
        """The server's words, as they may be shown, and what to do."""
        self.billed = billed
        """Whether the server charged for it; None where nobody can know."""


class Permanent(EngineStopped):
    """A failure after which no request can succeed; `kind` is fit for a table."""

    def __init__(self, sentence: str, kind: str) -> None:
        super().__init__(sentence)
        self.kind = kind


def of_reply(reply: WireReply, settings: ServerSettings, request: bytes | None = None) -> Exception | None:
    """Return what a reply's error means: Passing, RefusedRequest, Permanent, or None for an answer.

    `request` is what was sent: none of its words are shown, should the server repeat them; without it none at all are.
    """
    said = refusal(reply)
    if said is None:
        return None
    shown = "" if request is None else quoted(said, request)
    told = (f': "{shown}"' if shown else "") + f"; {_instead(said, settings)}"
    if sentence := _permanent(said, settings):
        return Permanent(sentence + (f' (it says: "{shown}")' if shown else ""), said.kind)
    # Nobody charges for a status; an error inside of what looks like an answer may have been charged as one.
    billed = None if said.inside_200 or said.trouble is Trouble.GENERATED else False
    if said.trouble in _PASSING:
        throttled = said.trouble is Trouble.BUSY
        return Passing(said.kind, throttled=throttled, billed=billed, told=told, generated=said.generated)
    return RefusedRequest(said.kind, told, billed=billed)


def of_wire(error: WireError, settings: ServerSettings, *, has_answered: bool) -> Exception:
    """Return what the lack of a reply means; a server that has answered before may only be restarting."""
    if error.nobody_there and not has_answered:
        return Permanent(f"no server can be reached at {settings.base_url}; start it or correct --base-url", error.kind)
    return Passing(error.kind, billed=False if error.nobody_there else None)


def _permanent(said: Refusal, settings: ServerSettings) -> str | None:
    url, model, trouble = settings.base_url, settings.model, said.trouble
    if trouble is Trouble.KEY:
        variable = "AZURE_OPENAI_API_KEY" if settings.api == "azure" else "OPENAI_API_KEY"
        return f"{url} does not accept the key (HTTP {said.status}); check {variable}"
    if trouble is Trouble.MODEL and "load" in said.message.lower():
        return f"{url} has no model loaded; load {model!r} there and run the same command again"
    if trouble is Trouble.MODEL:
        return f"{url} does not know the model {model!r} (or has no /chat/completions); check --model and --base-url"
    if trouble is Trouble.CREDIT:
        return f"the quota of the account at {url} is used up; nothing more can be asked until it is raised"
    if 300 <= said.status < 400:
        return f"{url} redirects elsewhere, which is never followed; give the final address with --base-url"
    return None


def _instead(said: Refusal, settings: ServerSettings) -> str:
    """Return what to do about a refusal: the setting to change."""
    if said.trouble is Trouble.CONTEXT:
        limit, needed = said.context or (0, 0)
        holds = f"the server's context holds {limit:,} tokens" if limit else "the server's context is too short"
        needs = f" and the request needs {needed:,}, its reply included" if needed else ""
        return (
            f"{holds}{needs}: take a model or a server with a longer context, lower max_completion_tokens (now "
            f"{settings.max_completion_tokens:,}), or ask for less at once (--calls 3)"
        )
    if said.trouble is Trouble.PARAMETER:
        root = (said.param or "").partition("[")[0].partition(".")[0]
        return _OPTION.get(root, f"leave {root} out, or take another model")
    return _INSTEAD.get(said.trouble, _BE_WELL)


def of_line(line: Mapping[str, Any]) -> Refusal | None:
    """Return the error that a line of a batch's results tells of, be it in the body of its response; None for none."""
    response = line.get("response")
    response = response if isinstance(response, dict) else {}
    status, body = count(response.get("status_code"), 999), response.get("body")
    if status is not None and 200 <= status < 300:
        return of_body(body, status) if isinstance(body, dict) and is_error(body) else None
    error = line.get("error")
    return of_body(error if body is None and isinstance(error, dict) else body, status or 0)


def lasting(kind: str, settings: ServerSettings) -> str | None:
    """Return what to do about a failure that no other try can mend; None where one may."""
    said = of_kind(kind)
    if said is None or said.status < 400 or said.trouble in _PASSING:
        return None
    return _permanent(said, settings) or _instead(said, settings)


def as_completion(generated: str) -> str:
    """Return a reply that a server did not let pass as the body that it would have come in."""
    return json.dumps({"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": generated}}]})


def word_of(error: object) -> str | None:
    """Return the server's own word for an error if it is one word: anything longer may repeat the request."""
    said = (word(error.get(name)) for name in ("code", "type")) if isinstance(error, dict) else ()
    return next((named for named in said if named is not None), None)
