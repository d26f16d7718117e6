"""What `cxr report` is told."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cxr.miner.kit.settings import StageSettings

FEWEST = 5
"""With fewer patients an interval would say more than is known."""


class ReportSettings(StageSettings):
    """Choices of `cxr report`; they change what is shown, never what is counted."""

    stage: ClassVar[str] = "report"
    model_config = SettingsConfigDict(env_prefix="CXR_REPORT_", pyproject_toml_table_header=("report",))

    with_text: bool = Field(default=False, description="show text of credentialed corpora too, under a banner")
    examples: int = Field(default=48, ge=0, le=500, description="example chains at most")
    resamples: int = Field(default=1000, ge=100, description="bootstrap resamples of an interval")
    seed: int = Field(default=0, description="names the bootstrap's draws")
