"""The typed reply that a completion holds, wherever and however the model wrote it.

A reply that was paid for and can be read is never asked again: all places where servers put it are looked into,
thoughts and prose around it are left out, and of several objects that one counts which fits its type and passes the
check.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from openai.types.chat import ChatCompletion
from openai.types.chat.chat_completion_message import ChatCompletionMessage
from pydantic import BaseModel, ValidationError

from cxr.miner.llm.completion import thoughts_of
from cxr.miner.llm.fitted import forms_of
from cxr.miner.llm.loose_json import Found, values_in
from cxr.schemas.rejection import Rejection

R = TypeVar("R", bound=BaseModel)

# Ends of thoughts, as Qwen and DeepSeek, Magistral, Kimi and gpt-oss write them; a template may hide where they begin.
_THOUGHT = re.compile(
    r"</think(?:ing)?>|</reasoning>|\[/THINK\]|◁/think▷|<\|channel\|>final<\|message\|>", re.IGNORECASE
)
# After these signs a model that does not know where to end writes somebody else's words.
_TURN = re.compile(r"<\|(?:im_end|im_start|eot_id|end_of_text|endoftext|end|user|return)\|>|<end_of_turn>|</s>")
_MOST_TOLD = 3
_NO_OBJECT = "it is no JSON object of the given schema"


class Unread(ValueError):
    """A reply that does not fit its type, or fails its check; `fault` names field and reason, never its words."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


def read(completion: ChatCompletion, wanted: type[R], check: Callable[[R], Rejection | None]) -> R:
    """Return the reply of a completion; raises Unread, caused by pydantic's error where there was an object.

    What is wrong is told of the first object that fits the type, or else of the one that comes closest.
    """
    failed: Unread | None = None
    closest: ValidationError | None = None
    for value in objects_in(completion):
        for form in forms_of(value, wanted):
            try:
                reply = wanted.model_validate_json(json.dumps(form), strict=True)
            except ValidationError as error:
                closest = error if closest is None or error.error_count() < closest.error_count() else closest
                continue
            rejection = check(reply)
            if rejection is None:
                return reply
            failed = failed or Unread(rejection.message)
            break
    if failed is not None:
        raise failed
    raise Unread(_NO_OBJECT if closest is None else fault_of(closest)) from closest


def objects_in(completion: ChatCompletion) -> Iterator[Any]:
    """Yield the objects and lists of a completion, best candidates first: JSON values that end."""
    for text in _texts(completion.choices[0].message):
        for part in _answers(text):
            found = values_in(part)
            if found.cut:  # the answer itself was cut off: what stands before it were drafts
                return
            yield from (value for value in reversed(found.values) if isinstance(value, dict))
            # An empty list may be anything's: it counts where nothing else was said.
            alone = len(found.values) == 1 and not found.broken
            yield from (value for value in reversed(found.values) if isinstance(value, list) and (value or alone))


def text_of(completion: ChatCompletion) -> str:
    """Return what a completion says, wherever it stands: for people, and for an answer that is no object."""
    return next(iter(_texts(completion.choices[0].message)), "")


def ended(completion: ChatCompletion) -> ChatCompletion:
    """Return a completion whose end is that of its answer: of prose after the object nothing is missed if it is cut."""
    choice = completion.choices[0]
    if choice.finish_reason == "length":
        part = next(_answers(text_of(completion)), "")
        found: Found = values_in(part)
        if found.values and not found.cut and part[found.ends :].strip(" \n\t`") and "{" not in part[found.ends :]:
            choice.finish_reason = "stop"
    return completion


def fault_of(error: ValidationError) -> str:
    """Return which fields do not fit and why, without a word of the reply."""
    told = []
    for each in error.errors(include_url=False, include_input=False, include_context=False)[:_MOST_TOLD]:
        place = [part for part in each["loc"] if isinstance(part, int) or part.isidentifier()]
        if each["type"] == "extra_forbidden":
            place = place[:-1]  # whose name is the model's own
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
        told.append(f"{path or 'the object'}: {each['msg']}")
    more = error.error_count() - len(told)
    return "; ".join(told) + (f"; and {more} more fields" if more > 0 else "")


def _texts(message: ChatCompletionMessage) -> Iterator[str]:
    """Yield what a message says, wherever a server may have put it: a tool's arguments, content, thoughts."""
    for call in message.tool_calls or ():
        if call.type == "function":
            yield call.function.arguments
    if message.function_call is not None:
        yield message.function_call.arguments
    for text in (message.content, *thoughts_of(message)):
        if isinstance(text, str) and text.strip():
            yield text


def _answers(text: str) -> Iterator[str]:
    """Yield the part of a text that comes after its thoughts, up to another's turn; then the whole, if it differs."""
    ends = [match.end() for match in _THOUGHT.finditer(text)]
    answer = text[ends[-1] :] if ends else text
    if (turn := _TURN.search(answer)) and answer[: turn.start()].strip():
        answer = answer[: turn.start()]
    yield _unquoted(answer)
    if answer != text and not values_in(answer).values:
        yield text


def _unquoted(text: str) -> str:
    """Return what a text says that is all one JSON string: an object that was written twice."""
    if text.strip()[:1] == '"':
        try:
            said = json.loads(text, strict=False)
        except ValueError:
            return text
        return said if isinstance(said, str) else text
    return text
