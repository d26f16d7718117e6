"""How a model server is asked: the one settings class of every stage that talks to one."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from cxr.miner.kit.errors import SettingsError
from cxr.miner.kit.settings import StageSettings
from cxr.miner.llm.policy import Attestation

_OF_THE_OUTPUT = ("model", "response_format", "temperature", "sampling_seed", "max_completion_tokens", "max_reasks")
"""What can change a reply. Where the server is, and how fast and patiently it is asked, cannot."""


def _none(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


# TOML and the environment have no null: the word none says it.
Sent = BeforeValidator(_none)


class ServerSettings(StageSettings):
    """Where a model server is, and how it is asked. The key is no setting: it comes from the environment alone."""

    stage: ClassVar[str] = "server"
    moved: ClassVar[dict[str, str]] = {"mode": "response_format"}
    model_flag: ClassVar[str] = "--model"
    """The option that names the model on the command line."""

    model: str | None = Field(default=None, min_length=1, description="the model's name at its server; has no default")
    base_url: str = Field(default="https://api.openai.com/v1", description="an OpenAI-compatible endpoint")
    api: Literal["openai", "azure"] = Field(default="openai", description="azure: the model is the deployment's name")
    api_version: str = Field(default="2024-10-21", description="azure only, and not for its /openai/v1 addresses")
    response_format: Literal["json_schema", "tools"] = Field(
        default="json_schema", description="how the server is told the shape of the reply"
    )
    temperature: Annotated[float | None, Sent] = Field(default=0.0, ge=0, le=2, description="none leaves it to it")
    sampling_seed: Annotated[int | None, Sent] = Field(default=0, description="none sends none")
    max_completion_tokens: int = Field(default=4096, gt=0, description="the longest reply")
    max_reasks: int = Field(default=2, ge=0, description="how often a reply that fails a check is sent back")
    max_tries: int = Field(default=4, ge=1, description="how often one request is tried where the server falters")
    max_failures_in_row: int = Field(
        default=5,
        ge=1,
        description="how many questions in a row that fail for the same reason end the run",
    )
    max_useless_calls: Annotated[int | None, Sent] = Field(
        default=12, ge=1, description="how many paid calls end a run if nothing has come of any; none: no limit"
    )
    concurrency: int = Field(default=16, ge=1, le=4096, description="requests in flight at most")
    rpm: float | None = Field(default=None, gt=0, description="requests a minute; None learns it from the server")
    tpm: float | None = Field(default=None, gt=0, description="tokens a minute; None learns it from the server")
    key_in_clear: bool = Field(
        default=False, description="send the key over http to a private address, where the network can read it"
    )
    patience_s: float = Field(default=600.0, ge=0, description="seconds of nothing but HTTP 429 that end the run")
    timeout_s: float = Field(default=120.0, gt=0, description="seconds for one reply")
    price: str | None = Field(default=None, description="INPUT,OUTPUT in USD per million tokens, for unknown models")
    max_usd: float | None = Field(default=None, gt=0, description="the most that a job may cost, earlier runs included")
    max_calls: int | None = Field(default=None, ge=1, description="the most requests of a job, failed ones included")
    cache: Path | None = Field(default=None, description="the folder of replies; None keeps it beside the output")
    attestations: tuple[Attestation, ...] = ()

    @property
    def named_model(self) -> str:
        """The model; raises SettingsError where none was named."""
        if self.model is None:
            flag = self.model_flag
            raise SettingsError(
                f"{self.stage}: a model server needs to know which model; give {flag}, e.g. {flag} gpt-4o"
            )
        return self.model

    def sampling(self) -> dict[str, Any]:
        """Return the request options that are set."""
        options = {
            "temperature": self.temperature,
            "seed": self.sampling_seed,
            "max_completion_tokens": self.max_completion_tokens,
        }
        return {name: value for name, value in options.items() if value is not None}

    def of_the_output(self) -> dict[str, object]:
        """Return what can change a reply; a local server that moves to another port is still the same model."""
        return self.model_dump(mode="json", include=set(_OF_THE_OUTPUT))
