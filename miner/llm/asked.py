"""What one step of one question asks of a server, and what its replies came to."""

from dataclasses import dataclass
from typing import Protocol

from openai.types.chat import ChatCompletion

from cxr.miner.kit.errors import MiningReject
from cxr.schemas.rejection import Rejection
from cxr.schemas.vocabulary import Licence, RejectReason


class Stopping(Exception):
    """The user wants the run to end: what is in flight is awaited, and nothing new is sent."""


class Deferred(Exception):
    """A request that is not in the cache and was put aside for a batch."""


class Worded(Protocol):
    """What calls remember of the words they were made with: a prompt file's, or an instruction's."""

    @property
    def name(self) -> str:
        """The step."""

    @property
    def version(self) -> int:
        """The version of its words."""

    @property
    def hash(self) -> str:
        """The sha256 of its words."""


@dataclass
class Asked:
    """What one step of one question needs to send, and what happened to it so far."""

    question_id: str
    prompt: Worded
    licence: Licence
    prompt_tokens: float | None = None
    """Tokens of the request where its bytes do not tell, as those of images; None counts bytes."""
    attempts: int = 0
    faltered: int = 0
    """Tries of the present request that failed; waiting for one's turn at a busy server is no failure."""
    throttled: int = 0
    """Tries of the present request that a busy server put off."""
    rejection: Rejection | None = None
    fault: str = ""
    """Which field of the last reply does not fit, and why."""
    shortened: bool = False
    """Whether a reply was cut off and has been asked for once more."""


def cut_off(completion: ChatCompletion) -> bool:
    """Return whether a reply ran into the limit of its tokens."""
    return completion.choices[0].finish_reason == "length"


def usable(completion: ChatCompletion, asked: Asked) -> ChatCompletion:
    """Return a completion that can be read; raises MiningReject for one that asking again would not better."""
    choice = completion.choices[0]
    if cut_off(completion):
        raise _invalid(asked, "was cut off at max_completion_tokens, also when it was asked to be shorter")
    if choice.finish_reason == "content_filter":
        raise _invalid(asked, "was withheld by the server's content filter")
    if choice.message.refusal:
        raise _invalid(asked, "is a refusal")
    return completion


def _invalid(asked: Asked, what: str, attempts: str = "") -> MiningReject:
    step = asked.prompt.name
    return MiningReject(
        RejectReason.MODEL_OUTPUT_INVALID,
        f"the reply to the {step} step of question {asked.question_id} {what}{attempts}",
        f"the {step} reply {what}",
    )


def rejected(asked: Asked) -> MiningReject:
    """Return why the last reply was not taken: the check that failed, or the field that does not fit."""
    if asked.rejection is not None:
        return MiningReject(asked.rejection.reason, f"{asked.prompt.name} step: {asked.rejection.message}")
    return _invalid(asked, f"does not fit its schema ({asked.fault})", f", {asked.attempts} attempts included")
