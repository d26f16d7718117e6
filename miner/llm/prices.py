"""What a call costs: a dated table of list prices, or the price that the user gave; never a guess."""

import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import Field

from cxr.miner.kit.errors import SettingsError
from cxr.miner.llm.settings import ServerSettings
from cxr.schemas.base import Frozen
from cxr.schemas.call import Call

if TYPE_CHECKING:
    from openai.types import CompletionUsage

_PER = 1_000_000
# Input, cached input and output; a row may have its own day after them.
_PRICES = 3


class Price(Frozen):
    """USD per million tokens."""

    input: float = Field(ge=0)
    cached_input: float = Field(ge=0)
    output: float = Field(ge=0)
    batch_factor: float = Field(default=0.5, ge=0, description="what the Batch API costs of the live price")
    source: str = Field(description="where the price is from, for people")
    least: int | None = Field(default=None, description="tokens from which on a beginning is cached; None: never")
    step: int = Field(default=1, ge=1, description="and in which steps")

    def cached(self, beginning: float) -> float:
        """Return how many tokens of a beginning that was sent before are billed as cached."""
        return 0.0 if self.least is None or beginning < self.least else beginning // self.step * self.step

    def cost(self, prompt_tokens: float, completion_tokens: float, cached_tokens: float = 0, *, batch: bool) -> float:
        """Return USD for one reply; cached tokens are among the prompt tokens."""
        fresh = max(prompt_tokens - cached_tokens, 0)
        whole = fresh * self.input + cached_tokens * self.cached_input + completion_tokens * self.output
        return whole / _PER * (self.batch_factor if batch else 1.0)


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(resources.files("cxr.miner.llm").joinpath("prices.toml").read_text(encoding="utf-8"))


def price_of(settings: ServerSettings) -> Price | None:
    """Return the price that the user gave, else the listed one of this model at this address, else None.

    Raises SettingsError where the given price is not two numbers.
    """
    table = _table()
    if settings.price is not None:
        return _given(settings.price)
    host = urlsplit(settings.base_url).hostname or ""
    listed = table.get(host, {}).get(settings.model)
    if listed is None:
        return None
    *prices, on = listed if len(listed) > _PRICES else (*listed, table["as_of"])
    price = _price(*prices, source=f"list price of {on.isoformat()}")
    return price.model_copy(update=table["beginnings"].get(host, {}))


def _price(given_in: float, cached_in: float, given_out: float, *, source: str) -> Price:
    factor = _table()["batch_factor"]
    return Price(input=given_in, cached_input=cached_in, output=given_out, batch_factor=factor, source=source)


def _given(words: str) -> Price:
    try:
        given_in, given_out = (float(part) for part in words.split(","))
        return _price(given_in, given_in, given_out, source="given by --price")
    except ValueError:
        raise SettingsError(
            f"--price {words!r} is not INPUT,OUTPUT in USD per million tokens; write it like --price 2.50,10.00"
        ) from None


def billed(call: Call, usage: "CompletionUsage", price: Price | None) -> Call:
    """Return a call with the tokens that its reply reports and what they cost; the cost is null without a price."""
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
    thought = usage.completion_tokens_details.reasoning_tokens if usage.completion_tokens_details else None
    counts = (usage.prompt_tokens, usage.completion_tokens, cached or 0)
    return call.model_copy(
        update={
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "cached_tokens": cached,
            "reasoning_tokens": thought,
            "cost_usd": None if price is None else price.cost(*counts, batch=call.batch),
        }
    )
