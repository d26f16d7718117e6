"""What a model server takes, as it was learnt from the server itself, and the file that remembers it.

Servers that are called OpenAI-compatible take different options, roles and reply shapes. What one refused is a fact
with a date; the best of what is left is what it is asked with. The facts lie in the folder of replies, one file for all
servers. They are no part of a request's key or of a job's settings: what was paid for stays found whatever a server
takes tomorrow.
"""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field, ValidationError

from cxr.miner.kit.console import say
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.files import whole_path
from cxr.miner.llm.settings import ServerSettings
from cxr.schemas.base import Frozen

# A server is updated: what it refused so long ago is tried once more, which a refusal makes free.
_REMEMBERED = timedelta(days=30)
_FILE = "capabilities.json"


class Part(StrEnum):
    """What of a request a server may not take, while it takes the rest."""

    RESPONSE_FORMAT = "response_format"
    SYSTEM = "system role"
    LENGTH = "max_completion_tokens"
    TEMPERATURE = "temperature"
    SEED = "seed"
    BOUNDS = "bounds in schemas"


NOT_SENT = "none"
WAYS: dict[Part, tuple[str, ...]] = {
    Part.RESPONSE_FORMAT: ("json_schema", "tools", "json_object", "plain"),
    Part.SYSTEM: ("system", "developer", "user"),
    Part.LENGTH: ("max_completion_tokens", "max_tokens", NOT_SENT),
    Part.TEMPERATURE: ("temperature", NOT_SENT),
    Part.SEED: ("seed", NOT_SENT),
    Part.BOUNDS: ("bounds", NOT_SENT),
}
"""How each part can be said, best first; the last one of each is taken by every server."""


class Refused(Frozen):
    """One way of saying a part of a request that a server did not take."""

    part: Part
    way: str
    said: str = Field(default="", description="how it was found: the server's words, without those of the request")
    on: date


class Takes(NamedTuple):
    """How a request is put to a server: a way for each part, and what its context leaves room for."""

    response_format: str = "json_schema"
    system: str = "system"
    length: str = "max_completion_tokens"
    temperature: str = "temperature"
    seed: str = "seed"
    bounds: str = "bounds"
    context_length: int | None = None
    longest_reply: int | None = None

    def way(self, part: Part) -> str:
        """Return how a part is said."""
        return str(self[list(Part).index(part)])


class Capabilities(Frozen):
    """What one model at one server takes, as far as it is known."""

    base_url: str
    model: str
    api: str
    found_on: date
    refused: tuple[Refused, ...] = ()
    replied_in: str | None = Field(
        default=None, description="the response_format in which a reply came as it was asked for; None: not seen yet"
    )
    context_length: int | None = Field(default=None, description="tokens, where the server has said it")
    longest_reply: int | None = Field(default=None, description="tokens, where the server has refused a longer one")
    usage: bool | None = Field(default=None, description="replies count their tokens")
    cached_tokens: bool | None = Field(default=None, description="replies count the tokens of a known beginning")
    logprobs: bool | None = None
    vision: bool | None = None
    batches: bool | None = None

    def way(self, part: Part) -> str:
        """Return the best way of saying a part that was not refused."""
        ways = WAYS[part]
        gone = {one.way for one in self.refused if one.part is part}
        return next((way for way in ways if way not in gone), ways[-1])

    def takes(self) -> Takes:
        """Return how a request is put best."""
        form, system, length, temperature, seed, bounds = (self.way(part) for part in Part)
        return Takes(form, system, length, temperature, seed, bounds, self.context_length, self.longest_reply)


def today() -> date:
    """Return the day on which something is found."""
    return datetime.now(UTC).date()


def unknown(settings: ServerSettings) -> Capabilities:
    """Return what is known of a server that was never asked: nothing, so that everything is tried."""
    return Capabilities(
        base_url=settings.base_url.rstrip("/"), model=settings.named_model, api=settings.api, found_on=today()
    )


class Remembered:
    """The file of all servers' capabilities in a folder of replies; whoever writes last is believed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / _FILE

    def of(self, settings: ServerSettings) -> Capabilities | None:
        """Return what is remembered of the server, None where nothing is, or nothing of late."""
        wanted = unknown(settings)
        for found in self._all():
            if _key(found) == _key(wanted) and found.found_on > today() - _REMEMBERED:
                return found
        return None

    def keep(self, capabilities: Capabilities) -> None:
        """Remember what a server takes, in the place of what was known of it; what cannot be written is said."""
        others = [known for known in self._all() if _key(known) != _key(capabilities)]
        said = [known.model_dump(mode="json", exclude_none=True) for known in (*others, capabilities)]
        try:
            with whole_path(self.path, private=True) as partial:
                partial.write_text(json.dumps({"servers": said}, indent=1, ensure_ascii=False), encoding="utf-8")
        except InputError as error:
            say(f"what {capabilities.base_url} takes could not be kept and will be found again ({error})")

    def _all(self) -> Iterable[Capabilities]:
        try:
            said: Any = json.loads(self.path.read_bytes())
            return [Capabilities.model_validate(one) for one in said["servers"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, RecursionError, KeyError, TypeError, ValidationError):
            say(f"{self.path} does not say what servers take; it is made anew from what they answer")
            return []


def _key(capabilities: Capabilities) -> tuple[str, str, str]:
    return capabilities.base_url, capabilities.model, capabilities.api
