"""What `cxr ask` is told."""

from typing import ClassVar, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cxr.miner.kit.settings import StageSettings, Tasks

Source = Literal["labels", "report"]
Balance = Literal["strict", "soft", "none"]


class AskSettings(StageSettings):
    """Which questions to ask, and how to sample them."""

    stage: ClassVar[str] = "ask"
    model_config = SettingsConfigDict(env_prefix="CXR_ASK_", pyproject_toml_table_header=("ask",))

    tasks: Tasks | None = None
    source: Source = "labels"
    seed: int = 0
    balance: Balance = "strict"
    min_positives: int = Field(default=15, ge=1)
    labeler: str | None = None
