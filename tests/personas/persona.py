"""A persona: how one kind of model server differs from OpenAI's documentation, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Request = dict[str, Any]
Message = dict[str, Any]
Completion = dict[str, Any]
Change = Callable[[Message], Message]
Wrap = Callable[[Completion, Request], object]
FEW = 3
"""Questions, chains or samples that a persona is met with."""


@dataclass(frozen=True)
class Refusal:
    """A request that a server does not take, and what it says then; refusals cost nothing."""

    when: Callable[[Request], bool]
    status: int
    body: object
    """What is sent: an object as JSON, a string as it is; a function is asked, with the request."""
    times: int | None = None
    """How often it happens, None for always."""
    headers: Mapping[str, str] = field(default_factory=dict)


def as_it_is(said: Any) -> Any:
    """Change nothing."""
    return said


def fenced(json_text: str) -> str:
    """Word a reply as models do that no schema binds."""
    return f"Here is the JSON that you asked for:\n\n```json\n{json_text}\n```\n\nLet me know if anything is unclear!"


@dataclass(frozen=True)
class Persona:
    """One kind of server. Its model knows the right reply to everything; the rest is how it gets out."""

    name: str
    server: str
    """The server or model, as the documentation names it."""
    differs: str
    """What is different, in a few words."""
    source: str
    """D and an address where it is documented or reported, or M: from memory."""
    does: str = "taken"
    """What `cxr` does about it, in a few words for the documentation."""
    refuses: tuple[Refusal, ...] = ()
    binds: frozenset[str] = frozenset({"json_schema", "json_object", "tools"})
    """The ways of asking for JSON that bind the model; others are ignored, and it says what it likes."""
    loose: Callable[[str], str] = fenced
    """How the model words an object where nothing binds it."""
    words: Callable[[str], str] = as_it_is
    """What becomes of everything that the model says."""
    message: Change = as_it_is
    body: Wrap = lambda completion, _: completion
    """What becomes of the whole completion; an object is sent as JSON, bytes and strings as they are."""
    headers: Mapping[str, str] = field(default_factory=dict)
    errs: bool = False
    """Whether its model quotes wrongly when it is first asked for evidence, and rightly when it is asked again."""
    drips: bool = False
    """Whether a body comes in many small pieces."""
    path: str = "/v1"
    """Where it serves /chat/completions."""
    base: str | None = None
    """The address that the user gives, where it is another one than that."""
    api: str = "openai"
    """What the user says of the address in `cxr.toml`."""
    then: "tuple[int, Persona] | None" = None
    """The number of requests after which it is another persona."""
    ends: Mapping[str, str] = field(default_factory=dict)
    """For each command that cannot succeed a pattern of the sentence that its user needs; `*` stands for all three."""
    may_pay_more: int = 0
    """Replies of HTTP 200 that cannot be used, of a server that succeeds."""
    may_succeed: bool = False
    """Whether a command that finds its own way out is as good as the sentence."""

    @property
    def is_even(self) -> bool:
        """Whether it answers every request in the same way and refuses none, so that it can be one among many."""
        return not (self.refuses or self.errs or self.then or self.ends or self.may_pay_more or self.base is not None)

    def sentence(self, command: str) -> str | None:
        """Return the pattern of the sentence that ends a command, None where it succeeds."""
        return self.ends.get(command, self.ends.get("*"))
