"""What `cxr unread` and `cxr audit` are told."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cxr.miner.kit.settings import StageSettings


class UnreadSettings(StageSettings):
    """Which phrases are listed."""

    stage: ClassVar[str] = "unread"
    model_config = SettingsConfigDict(env_prefix="CXR_UNREAD_", pyproject_toml_table_header=("unread",))

    limit: int = Field(default=50, ge=1)
    min_count: int = Field(default=2, ge=1)
    """In how many reports at least."""
