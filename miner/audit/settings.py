"""What `cxr unread` and `cxr audit` are told."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cxr.miner.kit.settings import Names, StageSettings


class UnreadSettings(StageSettings):
    """Which phrases are listed."""

    stage: ClassVar[str] = "unread"
    model_config = SettingsConfigDict(env_prefix="CXR_UNREAD_", pyproject_toml_table_header=("unread",))

    limit: int = Field(default=50, ge=1)
    min_count: int = Field(default=2, ge=1)
    """In how many reports at least."""


class AuditSettings(StageSettings):
    """Whose labels are set against ours, and what is drawn for people to read."""

    stage: ClassVar[str] = "audit"
    model_config = SettingsConfigDict(env_prefix="CXR_AUDIT_", pyproject_toml_table_header=("audit",))

    labelers: Names = ()
    """Which of the others; none named is all."""
    resamples: int = Field(default=1000, ge=1)
    seed: int = 0
    sample: int = Field(default=100, ge=2)
    """Lines that are drawn where a file is named: half of them disagreements, half ordinary chains."""
    with_text: bool = False
    """Put text of reports and chains into these lines."""
    show: int = Field(default=20, ge=0)
    """Print at most so many kinds of disagreement."""
