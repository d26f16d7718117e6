"""One attempt at a model, as the `calls` table keeps it."""

from datetime import datetime

from pydantic import Field

from cxr.schemas.base import Frozen

MOST_TOKENS = 10_000_000
"""Of one request or reply: as many as the longest context there is. Who says more is not believed."""
MOST_USD = 100_000.0
"""For one request: MOST_TOKENS at ten times the highest price there is."""


class Call(Frozen):
    """One request to a model server, answered, failed or found in the cache; never holds text of a report."""

    call_id: str = Field(min_length=1, description="an event's own id, given before the request leaves")
    stage: str = Field(
        description="the step that asked: plan, evidence, chain, or whole for all three in one; "
        "plan_temporal and so on for a question about two images"
    )
    question_id: str
    model: str
    prompt_name: str
    prompt_version: int = Field(ge=1)
    prompt_hash: str = Field(description="sha256 of the prompt file and its examples")
    request_hash: str = Field(description="sha256 of the whole request without the key: the key of the response cache")
    attempt: int = Field(ge=1, description="counts requests of one step of one question, re-asks and retries alike")
    cache_hit: bool
    batch: bool = Field(default=False, description="answered by the Batch API, at its price")
    prompt_tokens: int | None = Field(
        default=None,
        ge=0,
        le=MOST_TOKENS,
        description="as the server counted; 0 where it did no work, None where nobody knows",
    )
    completion_tokens: int | None = Field(default=None, ge=0, le=MOST_TOKENS, description="likewise")
    cached_tokens: int | None = Field(
        default=None, ge=0, le=MOST_TOKENS, description="prompt tokens billed at the cached price"
    )
    reasoning_tokens: int | None = Field(
        default=None,
        ge=0,
        le=MOST_TOKENS,
        description="completion tokens that were thoughts",
    )
    cost_usd: float | None = Field(
        default=None, ge=0, le=MOST_USD, description="None where the price or the usage is unknown"
    )
    latency_s: float = Field(ge=0, allow_inf_nan=False, description="seconds from sending to the whole reply")
    called_at: datetime = Field(description="when the reply or the failure was there, in UTC without a zone")
    answered_by: str | None = Field(
        default=None, max_length=120, description="the model that the server says it was, where it was another one"
    )
    error: str | None = Field(default=None, description="kind of failure and HTTP status; None for a reply")
