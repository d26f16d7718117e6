"""How much a job may spend, counted so that it holds across runs, failures and requests in flight."""

from dataclasses import dataclass

from cxr.miner.kit.errors import BudgetReached, SettingsError
from cxr.miner.llm.prices import Price
from cxr.miner.llm.settings import ServerSettings

BYTES_PER_TOKEN = 4.2
"""Bytes of JSON for one token of English prose; GPT-4o's tokenizer needs 4 to 4.5."""
# Before a reply has been seen, one is taken to be as long as a long chain; afterwards the mean counts.
_FIRST_COMPLETION = 700.0


@dataclass(frozen=True)
class Spent:
    """What earlier runs of the same job have used: every attempt, failed or not."""

    usd: float = 0.0
    calls: int = 0
    unknown: int = 0
    """Attempts whose cost nobody knows: time-outs, broken connections, kills."""


class Budget:
    """Reserves before each request and settles after it; raises BudgetReached when the next one may not be paid."""

    def __init__(self, settings: ServerSettings, price: Price | None, spent: Spent, *, batch: bool = False) -> None:
        """Raise SettingsError for a limit in USD where the model's price is unknown."""
        if settings.max_usd is not None and price is None:
            raise SettingsError(
                f"--max-usd needs a price, and none is known for {settings.model} at {settings.base_url}; "
                "give it in USD per million tokens: --price INPUT,OUTPUT"
            )
        self._max_usd, self._max_calls, self._batch = settings.max_usd, settings.max_calls, batch
        self.price = price
        self.usd, self.calls, self.unknown = spent.usd, spent.calls, spent.unknown
        self._reserved = 0.0
        self._settled = 0
        self._settled_usd = 0.0
        self._completions = 0.0

    def reserve(self, prompt_tokens: float) -> float:
        """Set money aside for one request and give how much; raises BudgetReached where it is not there."""
        if self._max_calls is not None and self.calls >= self._max_calls:
            raise BudgetReached(
                f"the budget of {self._max_calls:,} calls is used up ({self.calls:,} made, failed ones included); "
                "raise --max-calls and run the same command to go on"
            )
        expected = 0.0
        if self.price is not None:
            expected = self.price.cost(prompt_tokens, self.mean_completion, batch=self._batch)
        if self._max_usd is not None:
            committed = self.usd + self._reserved + self.unknown * self._mean_usd(expected)
            if committed + expected > self._max_usd:
                raise BudgetReached(
                    f"the budget of ${self._max_usd:.2f} is used up (${self.usd:.4f} spent"
                    f"{f', {self.unknown:,} calls of unknown cost' if self.unknown else ''}; the next call would cost "
                    f"about ${expected:.4f}); raise --max-usd and run the same command to go on"
                )
        self.calls += 1
        self._reserved += expected
        return expected

    def settle(self, reserved: float, usd: float | None, completion_tokens: int | None) -> None:
        """Replace what was set aside by what was paid; None where nobody knows."""
        self._reserved = max(self._reserved - reserved, 0.0)
        if usd is None:
            self.unknown += 1 if self.price is not None else 0
        else:
            self.usd += usd
        if completion_tokens:
            self._settled += 1
            self._completions += completion_tokens
            self._settled_usd += usd or 0.0

    def release(self, reserved: float) -> None:
        """Release what was set aside for a request that never left."""
        self.calls -= 1
        self._reserved = max(self._reserved - reserved, 0.0)

    @property
    def mean_completion(self) -> float:
        """Tokens of a reply so far."""
        return self._completions / self._settled if self._settled else _FIRST_COMPLETION

    def _mean_usd(self, expected: float) -> float:
        return self._settled_usd / self._settled if self._settled else expected


def seconds_for(asked: ServerSettings, requests: float, tokens: float, latency_s: float) -> float:
    """Return the time that the slowest of latency, request limit and token limit makes it."""
    by_latency = requests * latency_s / asked.concurrency
    by_requests = 0.0 if asked.rpm is None else requests / asked.rpm * 60
    by_tokens = 0.0 if asked.tpm is None else tokens / asked.tpm * 60
    return max(by_latency, by_requests, by_tokens)
