"""One model server, asked through instructor for typed replies; the only place from which report text leaves.

Every request goes through `Client._send`: the policy gate, then the cache, then the server. The reply is on disk before
anybody sees it, and each attempt is handed to `on_call`.

Two things that instructor would do are kept out on purpose. It renders messages as Jinja templates when it gets a
`context`, which would execute what stands in a report: replies are therefore checked through a context variable. It
also logs what it could not validate, which can be report text: its log is shut.
"""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

import openai
from instructor import Mode, patch
from instructor.core.exceptions import InstructorError, InstructorRetryException
from openai.types.chat import ChatCompletion
from pydantic import ValidationError, create_model, model_validator
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from miner.engines.cache import ReplyCache, request_hash
from miner.engines.checks import Rejection
from miner.engines.policy import Attestation, check_endpoint, is_loopback
from miner.engines.settings import LLMSettings
from miner.errors import CxrError, EngineStopped, MiningReject, SettingsError
from prompts import Prompt, Reply
from schemas.call import Call
from schemas.vocabulary import Licence, RejectReason

R = TypeVar("R", bound=Reply)

_MODES = MappingProxyType({"json_schema": Mode.JSON_SCHEMA, "tools": Mode.TOOLS})
_LONGEST_WAIT_S = 60.0
for _library in ("instructor", "openai"):
    logging.getLogger(_library).setLevel(logging.CRITICAL + 1)


class _PassingFailure(Exception):
    """A failed attempt that may succeed if repeated; `kind` is fit for a log."""

    def __init__(self, kind: str, retry_after_s: float | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.retry_after_s = retry_after_s


@dataclass
class _Conversation:
    """What one step of one question needs to send, and what happened to it so far."""

    question_id: str
    prompt: Prompt
    licence: Licence
    check: Callable[[Any], Rejection | None]
    attempts: int = 0
    rejection: Rejection | None = None


_CURRENT: ContextVar[_Conversation] = ContextVar("_CURRENT")


class Client:
    """Typed replies from one OpenAI-compatible server; may be used from several threads."""

    def __init__(
        self,
        settings: LLMSettings,
        cache: ReplyCache,
        api_key: str | None,
        attestations: Iterable[Attestation] = (),
        on_call: Callable[[Call], None] | None = None,
    ) -> None:
        """Raise SettingsError where the base URL is not one or a key is missing; nothing is sent yet."""
        local = is_loopback(settings.base_url)
        if not api_key and not local:
            raise SettingsError(
                "the model server is not on this machine and OPENAI_API_KEY is not set; set it in the environment, "
                "or give a local server with --base-url"
            )
        self._settings = settings
        self._cache = cache
        self._attestations = tuple(attestations)
        self._on_call = on_call or _keep_nothing
        self.attestations_used: set[str] = set()
        self._failures_in_row = 0
        self._lock = threading.Lock()
        # A redirect, or a proxy in front of a local server, would carry report text past the policy gate.
        self._openai = openai.OpenAI(
            base_url=settings.base_url,
            api_key=(api_key or "none").strip(),
            timeout=settings.timeout_s,
            max_retries=0,
            http_client=openai.DefaultHttpxClient(follow_redirects=False, trust_env=not local),
        )
        self._create = patch(create=self._send, mode=_MODES[settings.mode])

    def close(self) -> None:
        """Close the connections."""
        self._openai.close()

    def ask(
        self,
        prompt: Prompt,
        values: Mapping[str, str],
        reply_type: type[R],
        check: Callable[[R], Rejection | None],
        *,
        question_id: str,
        licence: Licence,
    ) -> R:
        """Ask one step until the reply fits its type and passes the check, at most `max_reasks` times again.

        Raises MiningReject if it never does or no reply comes, EngineStopped if no request can succeed, and PolicyError
        before anything is sent where the licence forbids it.
        """
        conversation = _Conversation(question_id, prompt, licence, check)
        token = _CURRENT.set(conversation)
        try:
            reply: R = self._create(
                response_model=_checked(reply_type),
                messages=prompt.messages(values),
                max_retries=self._settings.max_reasks,
                model=self._settings.model,
                **self._settings.sampling(),
            )
        except InstructorRetryException as failure:
            cause = failure.__cause__
            if cause is None or isinstance(cause, ValidationError | json.JSONDecodeError | InstructorError):
                raise _rejected(conversation) from None
            raise cause from None
        finally:
            _CURRENT.reset(token)
        return reply

    def _send(self, **request: Any) -> ChatCompletion:
        """Give the reply to one request, from the cache or the server; every request of this class passes here."""
        conversation = _CURRENT.get()
        attestation = check_endpoint(str(self._openai.base_url), conversation.licence, self._attestations)
        if attestation is not None:
            self.attestations_used.add(attestation.model_dump_json())
        _make_strict(request)
        key = request_hash(self._settings.base_url, request)
        stored = self._cache.get(key)
        if stored is not None:
            completion = ChatCompletion.model_validate_json(stored)
            self._record(conversation, key, completion=None, seconds=0.0, cache_hit=True)
        else:
            completion = self._fetch(conversation, key, request)
        return _usable(completion, conversation)

    def _fetch(self, conversation: _Conversation, key: str, request: dict[str, Any]) -> ChatCompletion:
        """Get a reply from the server, trying again after passing failures, and put it into the cache."""
        retrying = Retrying(
            retry=retry_if_exception_type(_PassingFailure),
            stop=stop_after_attempt(self._settings.max_tries),
            wait=_wait,
            reraise=True,
        )
        try:
            return retrying(self._attempt, conversation, key, request)
        except _PassingFailure as failure:
            raise self._no_reply(conversation, f"{failure.kind}, {self._settings.max_tries} tries") from None

    def _no_reply(self, conversation: _Conversation, what: str) -> CxrError:
        """Reject one question that got no reply, or stop the run when this happens to one after the other."""
        with self._lock:
            self._failures_in_row += 1
            in_row = self._failures_in_row
        if in_row >= self._settings.max_failures_in_row:
            return EngineStopped(
                f"{self._settings.base_url} has failed {in_row} questions in a row ({what}); see that the server is "
                "well and takes the request options, then run the same command again"
            )
        return MiningReject(
            RejectReason.MODEL_CALL_FAILED,
            f"the {conversation.prompt.name} step of question {conversation.question_id} got no reply ({what})",
        )

    def _attempt(self, conversation: _Conversation, key: str, request: dict[str, Any]) -> ChatCompletion:
        """Make one request and record it, whatever comes of it."""
        started = time.monotonic()
        try:
            completion = self._openai.chat.completions.create(**request)
            if not isinstance(completion, ChatCompletion) or not completion.choices:
                raise _PassingFailure("a reply without choices")
        except (openai.OpenAIError, _PassingFailure, json.JSONDecodeError, ValidationError) as failure:
            kind = _kind(failure)
            self._record(conversation, key, None, time.monotonic() - started, error=kind)
            raise self._translate(failure, kind, conversation) from None
        self._cache.put(key, completion.model_dump_json(exclude_unset=True))
        with self._lock:
            self._failures_in_row = 0
        self._record(conversation, key, completion, time.monotonic() - started)
        return completion

    def _translate(self, failure: Exception, kind: str, conversation: _Conversation) -> Exception:
        """Turn a failure of the library into one of ours: for this attempt, this question, or the whole run."""
        if stop := self._permanent(failure):
            return EngineStopped(stop)
        status = failure.status_code if isinstance(failure, openai.APIStatusError) else None
        if status is not None and status < 500 and status not in {408, 409, 425, 429}:
            return self._no_reply(conversation, kind)
        return _PassingFailure(kind, _retry_after(failure))

    def _permanent(self, failure: Exception) -> str | None:
        """Give one sentence if no later request can succeed either, else None."""
        url, model = self._settings.base_url, self._settings.model
        code = getattr(failure, "code", None)
        if isinstance(failure, openai.AuthenticationError | openai.PermissionDeniedError):
            return f"{url} does not accept the key (HTTP {failure.status_code}); check OPENAI_API_KEY"
        if isinstance(failure, openai.NotFoundError) or code == "model_not_found":
            return (
                f"{url} does not know the model {model!r} (or has no /chat/completions); check --model and --base-url"
            )
        if code == "insufficient_quota":
            return f"the quota of the account at {url} is used up; nothing more can be asked until it is raised"
        if isinstance(failure, openai.APIConnectionError) and _nobody_there(failure):
            return f"no server can be reached at {url}; start it or correct --base-url"
        if isinstance(failure, openai.APIStatusError) and 300 <= failure.status_code < 400:
            return f"{url} redirects elsewhere, which is never followed; give the final address with --base-url"
        return None

    def _record(
        self,
        conversation: _Conversation,
        key: str,
        completion: ChatCompletion | None,
        seconds: float,
        *,
        cache_hit: bool = False,
        error: str | None = None,
    ) -> None:
        conversation.attempts += 1
        usage = completion.usage if completion else None
        self._on_call(
            Call(
                stage=conversation.prompt.name,
                question_id=conversation.question_id,
                model=self._settings.model,
                prompt_name=conversation.prompt.name,
                prompt_version=conversation.prompt.version,
                prompt_hash=conversation.prompt.hash,
                request_hash=key,
                attempt=conversation.attempts,
                cache_hit=cache_hit,
                prompt_tokens=usage.prompt_tokens if usage else 0,
                completion_tokens=usage.completion_tokens if usage else 0,
                latency_s=seconds,
                called_at=datetime.now(UTC).replace(tzinfo=None),
                error=error,
            )
        )


@cache
def _checked(reply_type: type[R]) -> type[R]:
    """Give the reply type with the current step's check as its last validator; same name, same schema."""

    def run_check(reply: R) -> R:
        conversation = _CURRENT.get()
        conversation.rejection = conversation.check(reply)
        if conversation.rejection is not None:
            raise ValueError(conversation.rejection.message)
        return reply

    return create_model(
        reply_type.__name__,
        __base__=reply_type,
        __doc__=reply_type.__doc__,
        __validators__={"run_check": model_validator(mode="after")(run_check)},  # type: ignore[dict-item]
    )


def _make_strict(request: dict[str, Any]) -> None:
    """Ask for strict schemas, which instructor leaves out; our reply models have the strict form already."""
    if "response_format" in request:
        form = request["response_format"]
        request["response_format"] = {**form, "json_schema": {**form["json_schema"], "strict": True}}
    if "tools" in request:
        request["tools"] = [{**tool, "function": {**tool["function"], "strict": True}} for tool in request["tools"]]


def _usable(completion: ChatCompletion, conversation: _Conversation) -> ChatCompletion:
    """Give the completion back, or raise MiningReject for one that asking again would not better."""
    conversation.rejection = None
    choice = completion.choices[0]
    if choice.finish_reason == "length":
        raise _invalid(conversation, "was cut off at max_completion_tokens")
    if choice.finish_reason == "content_filter":
        raise _invalid(conversation, "was withheld by the server's content filter")
    if choice.message.refusal:
        raise _invalid(conversation, "is a refusal")
    choice.message.content = _without_raw_controls(choice.message.content)
    for call in choice.message.tool_calls or ():
        if call.type == "function":
            call.function.arguments = _without_raw_controls(call.function.arguments) or ""
    return completion


def _without_raw_controls(reply: str | None) -> str | None:
    """Escape raw control signs in the strings of a JSON reply, which guided decoding lets through.

    vLLM's default backend wrote them into 45 of 64 replies; asking again would pay for the same words twice.
    """
    if reply is None or not any(character < " " for character in reply):
        return reply
    try:
        return json.dumps(json.loads(reply, strict=False), ensure_ascii=False)
    except json.JSONDecodeError:
        return reply


def _invalid(conversation: _Conversation, what: str) -> MiningReject:
    return MiningReject(
        RejectReason.MODEL_OUTPUT_INVALID,
        f"the reply to the {conversation.prompt.name} step of question {conversation.question_id} {what}",
    )


def _rejected(conversation: _Conversation) -> MiningReject:
    """Say why the last reply was not taken: the check that failed, or that it was no JSON of the schema."""
    if conversation.rejection is not None:
        return MiningReject(
            conversation.rejection.reason, f"{conversation.prompt.name} step: {conversation.rejection.message}"
        )
    return _invalid(conversation, f"does not fit its schema, {conversation.attempts} attempts included")


def _keep_nothing(call: Call) -> None:
    """Take note of no call: for clients whose calls nobody counts."""


def _kind(failure: Exception) -> str:
    """Name a failure without quoting it: servers repeat the request in their errors."""
    if isinstance(failure, _PassingFailure):
        return failure.kind
    name = type(failure).__name__
    return f"{name} {failure.status_code}" if isinstance(failure, openai.APIStatusError) else name


def _nobody_there(failure: BaseException) -> bool:
    """Tell whether a connection failed since nothing listens there or the host does not exist."""
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError | socket.gaierror):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _retry_after(failure: Exception) -> float | None:
    """Give the seconds that the server asks to wait; None if it does not say, or says it as a date."""
    if not isinstance(failure, openai.APIStatusError):
        return None
    try:
        return float(failure.response.headers.get("retry-after", ""))
    except ValueError:
        return None


def _wait(state: RetryCallState) -> float:
    """Give the seconds before the next try: what the server asks for, else random and growing."""
    failure = state.outcome.exception() if state.outcome else None
    if isinstance(failure, _PassingFailure) and failure.retry_after_s is not None:
        return min(max(failure.retry_after_s, 0.0), _LONGEST_WAIT_S)
    return wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT_S)(state)
