"""One attempt at a model, as the `calls` table keeps it."""

from datetime import datetime

from pydantic import Field

from schemas.base import Frozen


class Call(Frozen):
    """One request to a model server, answered, failed or found in the cache; never holds text of a report."""

    stage: str = Field(description="the step that asked: plan, evidence or chain")
    question_id: str
    model: str
    prompt_name: str
    prompt_version: int = Field(ge=1)
    prompt_hash: str = Field(description="sha256 of the prompt file and its examples")
    request_hash: str = Field(description="sha256 of the whole request without the key: the key of the response cache")
    attempt: int = Field(ge=1, description="counts requests of one step of one question, re-asks and retries alike")
    cache_hit: bool
    prompt_tokens: int = Field(ge=0, description="as the server counted; 0 for a cache hit, which costs nothing")
    completion_tokens: int = Field(ge=0, description="as the server counted; 0 for a cache hit, which costs nothing")
    latency_s: float = Field(ge=0, description="seconds from sending to the whole reply")
    called_at: datetime = Field(description="when the reply or the failure was there, in UTC without a zone")
    error: str | None = Field(default=None, description="kind of failure and HTTP status; None for a reply")
