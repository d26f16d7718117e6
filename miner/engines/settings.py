"""Settings of the `llm` engine."""

from typing import Any, Literal

from pydantic import Field

from schemas.base import Frozen


class LLMSettings(Frozen):
    """How a model server is asked. The key is no setting: it comes from OPENAI_API_KEY and is kept nowhere."""

    model: str = Field(min_length=1, description="the model's name at its server; there is no default")
    base_url: str = Field(default="https://api.openai.com/v1", description="an OpenAI-compatible endpoint")
    mode: Literal["json_schema", "tools"] = Field(
        default="json_schema", description="how the server is told the shape of the reply"
    )
    temperature: float | None = Field(default=0.0, ge=0, le=2, description="None leaves it to the server")
    seed: int | None = Field(default=0, description="None sends none")
    max_completion_tokens: int = Field(default=4096, gt=0)
    max_reasks: int = Field(default=2, ge=0, description="how often a reply that fails a check is sent back")
    max_tries: int = Field(default=4, ge=1, description="how often one request is tried where the server falters")
    max_failures_in_row: int = Field(
        default=5, ge=1, description="how many questions without a reply, one after the other, end the run"
    )
    timeout_s: float = Field(default=120.0, gt=0, description="seconds for one reply")
    plan_version: int | None = Field(default=None, ge=1, description="None takes the newest prompt")
    evidence_version: int | None = Field(default=None, ge=1, description="None takes the newest prompt")
    chain_version: int | None = Field(default=None, ge=1, description="None takes the newest prompt")

    def sampling(self) -> dict[str, Any]:
        """Give the request options that are set."""
        options = {
            "temperature": self.temperature,
            "seed": self.seed,
            "max_completion_tokens": self.max_completion_tokens,
        }
        return {name: value for name, value in options.items() if value is not None}
