"""What a server says when it does not answer: every form of error body that is known, as one.

A message is the server's own and may repeat the request, which holds report text, or the reply that it could not use:
it is looked at here, and shown to nobody but through `cxr.miner.llm.quoted`, which leaves out what the request says.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cxr.miner.llm.numbers import count
from cxr.miner.llm.overflow import TOO_LONG_CODES, context_of, sounds_too_long
from cxr.miner.llm.wire import WireReply
from cxr.schemas.vocabulary import THOUGHT_FIELDS

# Of a body and a message; a page of HTML is no message.
_LONGEST_BODY, _LONGEST = 1_000_000, 4000
# How deep errors are looked for in errors: a router shows its provider's, which may be a router.
_DEEPEST = 4


class Trouble(StrEnum):
    """What kind of refusal it is, which says who can mend it."""

    CONTEXT = "context too long"
    PARAMETER = "parameter not taken"
    KEY = "key not accepted"
    MODEL = "model not there"
    FILTER = "content filter"
    CREDIT = "no credit"
    NO_PROVIDER = "no provider takes the parameters"
    GENERATED = "reply failed the server's own check"
    BUSY = "too many requests"
    SERVER = "server failed"
    OTHER = "refused"


@dataclass(frozen=True)
class Refusal:
    """One error of a server, whatever body it came in."""

    status: int
    """The HTTP status that holds: that of the error where it came inside a 200."""
    code: str | None = None
    """The server's word for it, fit for a log."""
    param: str | None = None
    """The parameter that is meant, e.g. `temperature`, `messages[0].role`; fit for a log."""
    message: str = field(default="", repr=False)
    """The server's message in one line; it may hold report text."""
    context: tuple[int, int] | None = None
    """Tokens that the server's context holds, and that request and reply need (0: unknown), where it is too short."""
    generated: str | None = field(default=None, repr=False)
    """The reply that failed the server's own check."""
    inside_200: bool = False

    @property
    def kind(self) -> str:
        """What a log and a table show: status, code and parameter."""
        named = [f"HTTP {self.status}", self.code, self.param and f"({self.param})"]
        return " ".join(word for word in named if word) + (" inside HTTP 200" if self.inside_200 else "")

    @property
    def trouble(self) -> Trouble:
        """What kind of refusal it is."""
        return _trouble(self)


def refusal(reply: WireReply) -> Refusal | None:
    """Return the error that a reply tells of, by its status or inside a 200; None for an answer."""
    ok = 200 <= reply.status < 300
    said = reply.json() if len(reply.body) <= _LONGEST_BODY else None
    if ok and (not isinstance(said, dict | list) or not is_error(said)):
        return None
    if said is None and not ok:
        return Refusal(reply.status, message=_plain_text(reply))
    return of_body(said, reply.status)


def of_body(said: object, status: int) -> Refusal:
    """Return the error of a body that is one, be it of a reply or of a line of a batch."""
    errors = list(_errors(said, 0))
    ok = 200 <= status < 300
    message = " ".join(dict.fromkeys(text for error in errors if (text := _message(error))))[:_LONGEST]
    code = next((named for error in errors if (named := _code(error))), None)
    if code is None and any(error.get("type") == "error" for error in errors):
        code = "error"
    if ok:
        status = next((number for error in errors if (number := _status(error))), None) or _status_of_words(message)
    param = next((name for error in errors if (name := _param(error))), None) or _param_in(message)
    generated = next((made for error in errors if isinstance(made := error.get("failed_generation"), str)), None)
    return Refusal(status, code, param, message, context_of(errors, message), generated or None, inside_200=ok)


_KIND = re.compile(r"HTTP (\d{3})(?: (\w{1,60}))?(?: \(([^()]{1,80})\))?(?: inside HTTP 200)?")


def of_kind(kind: str) -> Refusal | None:
    """Return what is left of an error in a table's kind of it; None for another kind of failure."""
    found = _KIND.fullmatch(kind)
    return Refusal(int(found.group(1)), found.group(2), found.group(3)) if found else None


def word(said: object) -> str | None:
    """Return a server's word if it is one word: anything longer may repeat the request."""
    if isinstance(said, str) and len(said) <= 60 and said.isascii() and said.replace("_", "").isalnum():
        return said
    return None


# ---- bodies


def is_error(said: Any) -> bool:
    """Return whether a body with status 200 is an error; one that also answers is an answer."""
    if isinstance(said, list):
        return bool(said) and isinstance(said[0], dict) and bool(said[0].get("error"))
    choices = said.get("choices")
    if isinstance(choices, list) and choices:
        first = choices[0]
        message = first.get("message") if isinstance(first, dict) else None
        return isinstance(first, dict) and bool(first.get("error")) and not _says_something(message)
    return bool(said.get("error")) or said.get("object") == "error" or (said.get("type") == "error")


def _says_something(message: object) -> bool:
    return isinstance(message, dict) and any(
        message.get(name) for name in ("content", "tool_calls", "function_call", *THOUGHT_FIELDS)
    )


def _errors(said: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Yield the parts of a body that tell of an error, the outer ones first."""
    if depth > _DEEPEST:
        return
    if isinstance(said, str):
        yield {"message": said}
        if (inner := _json_in(said)) is not None:
            yield from _errors(inner, depth + 1)
    elif isinstance(said, list):
        for one in said[:8]:
            yield from _errors(one, depth + 1)
    elif isinstance(said, dict):
        if isinstance(choices := said.get("choices"), list) and choices:
            yield from _errors(choices[0], depth + 1)
            return
        yield said
        for name in ("error", "errors", "detail", "details", "message", "innererror", "metadata", "raw"):
            inner = said.get(name)
            if isinstance(inner, dict | list) or (isinstance(inner, str) and name in {"error", "detail", "raw"}):
                yield from _errors(inner, depth + 1)
            elif isinstance(inner, str) and (parsed := _json_in(inner)) is not None:
                yield from _errors(parsed, depth + 1)


def _json_in(text: str) -> Any:
    """Return the object or list that a message ends with, as routers and Python's own words show it."""
    start = min((at for sign in "[{" if (at := text.find(sign)) >= 0), default=-1)
    if start < 0 or len(text) > _LONGEST:
        return None
    inner = text[start:].strip()
    for attempt in (inner, _as_json(inner)):
        try:
            found = json.loads(attempt)
        except (ValueError, RecursionError):
            continue
        return found if isinstance(found, dict | list) else None
    return None


def _as_json(text: str) -> str:
    """Write Python's words of a list of errors as JSON, as far as that is needed to find a name in it."""
    text = re.sub(r"\(([^()]*?),?\)", r"[\1]", text).replace("'", '"')
    return re.sub(r"\bNone\b", "null", re.sub(r"\bTrue\b", "true", re.sub(r"\bFalse\b", "false", text)))


def _message(error: Mapping[str, Any]) -> str:
    for name in ("message", "msg", "Message", "error_description"):
        said = error.get(name)
        if isinstance(said, str):
            return one_line(said)
    return ""


def _code(error: Mapping[str, Any]) -> str | None:
    """Return the word that says most: a code, a reason, a type."""
    for name in ("code", "reason", "status", "type", "error_type"):
        said = error.get(name)
        if (named := word(said)) and not named.isdigit() and named not in _NO_CODES:
            return named
    return None


# Words of a form, not of an error.
_NO_CODES = frozenset({"error", "object", "None", "null"})
_STATUS_OF = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "INTERNAL": 500,
    "DEADLINE_EXCEEDED": 504,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "invalid_request_error": 400,
    "BadRequestError": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "insufficient_quota": 402,
    "server_error": 500,
    "api_error": 500,
    "overloaded_error": 529,
    "InternalServerError": 500,
}


def _status(error: Mapping[str, Any]) -> int | None:
    for name in ("code", "status", "status_code", "statusCode", "type"):
        said = error.get(name)
        if isinstance(said, str) and said in _STATUS_OF:
            return _STATUS_OF[said]
        number = count(int(said) if isinstance(said, str) and said.isdigit() and len(said) == 3 else said, 599)
        if number is not None and number >= 400:
            return number
    return None


def _status_of_words(message: str) -> int:
    """Return what status an error inside a 200 would have had: the request's fault where its words say so."""
    words = message.lower()
    if sounds_too_long(message) or _has(words, _NO_MODEL) or _UNSUPPORTED.search(words):
        return 400
    return 429 if _has(words, ("rate limit", "too many requests")) else 500


def _plain_text(reply: WireReply) -> str:
    text = reply.body[:_LONGEST].decode("utf-8", "replace")
    return "" if "<" in text[:200] else one_line(text)


def one_line(text: str) -> str:
    """Return a text in one line, without signs that steer a terminal."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST]).split())


# ---- parameters

OPTIONS = (
    "max_completion_tokens",
    "max_tokens",
    "max_new_tokens",
    "temperature",
    "top_p",
    "seed",
    "random_seed",
    "response_format",
    "json_schema",
    "json_object",
    "tool_choice",
    "tools",
    "logprobs",
    "reasoning_effort",
    "strict",
    "parallel_tool_calls",
    "image_url",
)
_ROLE = re.compile(
    r"\bsystem (?:role|message|prompt|instruction)s?\b|\brole\b[^.]{0,30}\bsystem\b|developer instruction",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?:unknown name|unsupported (?:parameter|value)s?|unrecognized request arguments? supplied"
    r"|(?:unknown|unexpected) (?:parameter|field|keyword argument)|extra (?:inputs|fields) not permitted|property)"
    r"\W{0,4}[\"'`]?([A-Za-z_][\w.\[\]]{1,58})",
    re.IGNORECASE,
)
_PATH = re.compile(r"[A-Za-z_][\w.\[\]-]{0,59}", re.ASCII)


def _param(error: Mapping[str, Any]) -> str | None:
    """Return the parameter that an error names in a field of its own."""
    said = error.get("param")
    if isinstance(said, str) and _PATH.fullmatch(said):
        return said
    loc = error.get("loc")
    if isinstance(loc, list | tuple):
        names = [part for part in loc if part != "body"]
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in names).lstrip(".")
        return path if _PATH.fullmatch(path) else None
    violations = error.get("fieldViolations")
    if isinstance(violations, list) and violations and isinstance(violations[0], dict):
        return _param_in(str(violations[0].get("description", "")))
    return None


def _param_in(message: str) -> str | None:
    """Return the parameter that a message names in words."""
    if (named := _NAMED.search(message)) and named.group(1).split(".")[0].split("[")[0] in {*OPTIONS, "messages"}:
        return named.group(1).rstrip(".")
    if not _UNSUPPORTED.search(message.lower()):
        return None
    if _ROLE.search(message):
        return "messages[0].role"
    at = [(found.start(), name) for name in OPTIONS if (found := re.search(rf"\b{name}\b", message))]
    return min(at)[1] if at else None


# ---- what is meant

_UNSUPPORTED = re.compile(
    r"not support|unsupported|doesn't support|unavailable|not available|not permitted|not allowed|forbidden"
    r"|unknown name|unrecognized|unexpected|must be|invalid|is not a valid|cannot be used|only enabled"
    r"|is enabled only|too large|not enabled"
)
_KEYS = ("api key not valid", "api_key_invalid", "invalid api key", "incorrect api key", "api key expired")
_NO_MODEL = (
    "no models loaded",
    "no model loaded",
    "model not loaded",
    "model is not loaded",
    "load a model",
    "unknown model",
)
_NO_MODEL_CODES = frozenset({"model_not_found", "DeploymentNotFound", "model_not_loaded", "no_models_loaded"})
_FILTER_CODES = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"})
_FILTERED = ("content management policy", "content filter", "flagged by moderation", "content policy")
_CREDIT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_CREDIT = ("credit balance is too low", "insufficient balance", "insufficient credits", "requires more credits")
_PROVIDERS = ("no endpoints found that", "no endpoints found matching", "no allowed providers")
_GENERATED_CODES = frozenset({"json_validate_failed", "tool_use_failed"})
_PASSING = frozenset({408, 409, 425})


def _has(words: str, phrases: tuple[str, ...]) -> bool:
    return any(phrase in words for phrase in phrases)


def _trouble(said: Refusal) -> Trouble:
    words, status, code = said.message.lower(), said.status, said.code
    request = status < 500
    # The first that holds: what is sure comes before what only sounds like it.
    rules = (
        (Trouble.CREDIT, status == 402 or code in _CREDIT_CODES or (request and _has(words, _CREDIT))),
        (Trouble.KEY, status in {401, 403} and not _has(words, _FILTERED)),
        (Trouble.BUSY, status == 429),
        (Trouble.GENERATED, code in _GENERATED_CODES),
        (Trouble.CONTEXT, request and (said.context is not None or code in TOO_LONG_CODES)),
        (Trouble.SERVER, not request or status in _PASSING),
        (Trouble.FILTER, code in _FILTER_CODES or _has(words, _FILTERED)),
        (Trouble.KEY, code == "API_KEY_INVALID" or _has(words, _KEYS)),
        (Trouble.NO_PROVIDER, _has(words, _PROVIDERS)),
        (Trouble.MODEL, status == 404 or code in _NO_MODEL_CODES or said.param == "model" or _has(words, _NO_MODEL)),
        (Trouble.PARAMETER, said.param is not None),
    )
    return next((trouble for trouble, holds in rules if holds), Trouble.OTHER)
