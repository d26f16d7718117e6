"""How a model server is asked: the one settings class of every stage that talks to one."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from cxr.miner.kit.errors import SettingsError
from cxr.miner.kit.settings import StageSettings
from cxr.miner.llm.policy import Attestation

_OF_THE_OUTPUT = ("model", "response_format", "temperature", "sampling_seed", "max_completion_tokens", "max_reasks")
"""What can change a reply. Where the server is, and how fast and patiently it is asked, cannot."""

_OURS = {
    "temperature": "has a setting of its own, temperature",
    "seed": "has a setting of its own, sampling_seed",
    "max_completion_tokens": "has a setting of its own",
    "max_tokens": "has a setting of its own, max_completion_tokens",
    "reasoning_effort": "has a setting of its own",
    "response_format": "has a setting of its own",
    "model": "has a setting of its own",
    **dict.fromkeys(("messages", "tools", "tool_choice", "stream", "n"), "is written by cxr"),
}
"""What `extra_body` may not hold, and why."""


def _none(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


# TOML and the environment have no null: the word none says it.
Sent = BeforeValidator(_none)


def replies_folder(db: Path, cache: Path | None) -> Path:
    """Return the folder in which the replies of a store's jobs are kept: the one that was named, or one beside it."""
    return db.with_suffix(".replies") if cache is None else cache


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
    response_format: Literal["auto", "json_schema", "tools", "json_object", "plain"] = Field(
        default="auto", description="how the server is told the shape of the reply; auto: the best that it takes"
    )
    temperature: Annotated[float | None, Sent] = Field(default=0.0, ge=0, le=2, description="none sends none")
    sampling_seed: Annotated[int | None, Sent] = Field(default=0, description="none sends none")
    reasoning_effort: str | None = Field(default=None, min_length=1, description="for models that reason, e.g. low")
    extra_body: dict[str, Any] = Field(default={}, description="what else stands in every request, by name")
    probe: Literal["once", "again"] = Field(
        default="once", description="again: forget what the server was found to take, and learn it anew"
    )
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

    @property
    def questions_at_once(self) -> int:
        """How many questions are worked on: a quarter more than requests in flight, since some are being read."""
        return self.concurrency + self.concurrency // 4

    def sampling(self) -> dict[str, Any]:
        """Return the request options that are set."""
        options: dict[str, Any] = {
            "temperature": self.temperature,
            "seed": self.sampling_seed,
            "max_completion_tokens": self.max_completion_tokens,
        }
        options |= {"reasoning_effort": self.reasoning_effort, **self.extra_body}
        return {name: value for name, value in options.items() if value is not None}

    @property
    def written_for(self) -> Literal["json_schema", "tools", "json_object", "plain"]:
        """The response_format in which requests are written, whatever form they are then put into."""
        return "json_schema" if self.response_format == "auto" else self.response_format

    def of_the_output(self) -> dict[str, object]:
        """Return what can change a reply; a local server that moves to another port is still the same model."""
        said = self.model_dump(mode="json", include=set(_OF_THE_OUTPUT)) | {"response_format": self.written_for}
        return said | self.said_besides

    @property
    def said_besides(self) -> dict[str, object]:
        """What else stands in every request; unsaid, it leaves a job, and a file of predictions, what it was."""
        more = {"reasoning_effort": self.reasoning_effort, "extra_body": self.extra_body}
        return {name: value for name, value in more.items() if value}

    @field_validator("extra_body")
    @classmethod
    def _is_no_option_of_ours(cls, extra_body: dict[str, Any]) -> dict[str, Any]:
        for name in extra_body:
            if name in _OURS:
                raise ValueError(f"expected what cxr does not send itself: {name} {_OURS[name]}")
        return extra_body
