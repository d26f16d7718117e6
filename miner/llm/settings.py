"""Settings of the `llm` engine."""

from typing import Any, Literal

from pydantic import Field

from cxr.schemas.base import Frozen

# What cannot change a chain: where the server is, and how patiently and how fast it is asked.
_OPERATION = frozenset(
    {
        "base_url",
        "api",
        "api_version",
        "concurrency",
        "rpm",
        "tpm",
        "price",
        "max_usd",
        "max_calls",
        "max_tries",
        "max_failures_in_row",
        "patience_s",
        "timeout_s",
    }
)


class LLMSettings(Frozen):
    """How a model server is asked. The key is no setting: it comes from the environment and is kept nowhere."""

    model: str = Field(min_length=1, description="the model's name at its server; there is no default")
    base_url: str = Field(default="https://api.openai.com/v1", description="an OpenAI-compatible endpoint")
    api: Literal["openai", "azure"] = Field(default="openai", description="azure: the model is the deployment's name")
    api_version: str = Field(default="2024-10-21", description="azure only, and not for its /openai/v1 addresses")
    mode: Literal["json_schema", "tools"] = Field(
        default="json_schema", description="how the server is told the shape of the reply"
    )
    calls: Literal[1, 3] = Field(
        default=3, description="requests a question: plan, evidence and chain apart, or joined"
    )
    temperature: float | None = Field(default=0.0, ge=0, le=2, description="None leaves it to the server")
    seed: int | None = Field(default=0, description="None sends none")
    max_completion_tokens: int = Field(default=4096, gt=0)
    max_reasks: int = Field(default=2, ge=0, description="how often a reply that fails a check is sent back")
    max_tries: int = Field(default=4, ge=1, description="how often one request is tried where the server falters")
    max_failures_in_row: int = Field(
        default=5, ge=1, description="how many questions without a reply, one after the other, end the run"
    )
    concurrency: int = Field(default=16, ge=1, le=4096, description="requests in flight at most")
    rpm: float | None = Field(default=None, gt=0, description="requests a minute; None learns it from the server")
    tpm: float | None = Field(default=None, gt=0, description="tokens a minute; None learns it from the server")
    patience_s: float = Field(default=600.0, ge=0, description="seconds of nothing but HTTP 429 that end the run")
    timeout_s: float = Field(default=120.0, gt=0, description="seconds for one reply")
    price: str | None = Field(default=None, description="INPUT,OUTPUT in USD per million tokens, for unknown models")
    max_usd: float | None = Field(default=None, gt=0, description="the most that a job may cost, earlier runs included")
    max_calls: int | None = Field(default=None, ge=1, description="the most requests of a job, failed ones included")
    plan_version: int | None = Field(default=None, ge=1, description="None takes the newest prompt")
    evidence_version: int | None = Field(default=None, ge=1, description="None takes the newest prompt")
    chain_version: int | None = Field(default=None, ge=1, description="None takes the newest prompt")
    whole_version: int | None = Field(default=None, ge=1, description="None takes the newest prompt; for calls=1")

    def sampling(self) -> dict[str, Any]:
        """Give the request options that are set."""
        options = {
            "temperature": self.temperature,
            "seed": self.seed,
            "max_completion_tokens": self.max_completion_tokens,
        }
        return {name: value for name, value in options.items() if value is not None}

    def of_the_output(self) -> dict[str, object]:
        """Give what can change a chain; a local server that moves to another port is still the same model."""
        versions = {name for name in type(self).model_fields if name.endswith("_version")}
        return self.model_dump(mode="json", exclude=set(_OPERATION) | versions)
