"""How a reply that was not taken is asked for again: which field is wrong and why, in words.

The reply itself is not shown again. What a model made up would stand there like something that is known, and a reply
that ran on would be paid for a second time as part of the prompt; what is wrong is named by item, number and finding
instead. The words go to the end of the last message, so that roles still alternate and the beginning, which servers
keep, stays the same.
"""

from collections.abc import Mapping
from typing import Any

from openai.types.chat import ChatCompletion

from cxr.miner.llm.completion import thoughts_of

# Characters of a text where the first reply ran over its end; every prompt asks for one sentence or two.
_SHORT = 200
_WARMER = 0.5
_NOT_TAKEN = "An earlier reply to this was not accepted: {why}. Answer again, with the whole object, and mend that."
_CUT = (
    "An earlier reply to this was cut off, because it was longer than there is room for. Answer again, with the whole "
    f"object: every text one short sentence of at most {_SHORT} characters, nothing said twice, and then the end."
)


def mended(request: Mapping[str, Any], why: str) -> dict[str, Any]:
    """Return the request that asks again, with what is wrong with the last reply."""
    return {**request, "messages": _with(request["messages"], _NOT_TAKEN.format(why=why.rstrip(". ")))}


def shortened(request: Mapping[str, Any], room: int | None) -> dict[str, Any]:
    """Return the request that asks again after a reply was cut off: shorter, and sampled otherwise.

    The same sampling would repeat the same sentence to the same end. `room`: the tokens that a model which thinks
    first shall have instead; nothing is then said about the length.
    """
    again = dict(request)
    if room is not None:
        return again | {"max_completion_tokens": room}
    if "temperature" in again:
        again["temperature"] = max(again["temperature"], _WARMER)
    if "seed" in again:
        again["seed"] += 1
    return again | {"messages": _with(request["messages"], _CUT)}


def thought(completion: ChatCompletion) -> bool:
    """Return whether a model thought before it answered, by its usage or by where its words stand."""
    details = completion.usage.completion_tokens_details if completion.usage else None
    if details is not None and details.reasoning_tokens:
        return True
    message = completion.choices[0].message
    return any(thoughts_of(message)) or (message.content or "").lstrip().startswith("<think>")


def _with(messages: Any, note: str) -> list[Any]:
    *before, last = messages
    return [*before, {**last, "content": f"{last['content']}\n\n{note}"}]
