"""What `cxr mine` is told."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from cxr.miner.kit.settings import Tasks
from cxr.miner.llm.settings import ServerSettings
from cxr.miner.mine.engines import check_name

Wording = Literal["varied", "plain"]
EngineName = Annotated[str, BeforeValidator(check_name)]


class MineSettings(ServerSettings):
    """Which engine mines, and on what; what is inherited is for engines that ask a model server."""

    stage: ClassVar[str] = "mine"
    model_config = SettingsConfigDict(env_prefix="CXR_MINE_", pyproject_toml_table_header=("mine",))

    engine: EngineName = "rules"
    calls: Literal[1, 3] = Field(
        default=3, description="requests a question: plan, evidence and chain apart, or joined"
    )
    wording: Wording = Field(
        default="varied", description="of the rules engine: drawn for each question, or one wording for all"
    )
    wording_seed: int = Field(default=0, description="names the draw of the wording")
    limit: int | None = Field(default=None, ge=1)
    tasks: Tasks | None = None
    plan_version: int | None = Field(default=None, ge=1, description="None takes the newest prompt")
    evidence_version: int | None = Field(default=None, ge=1, description="None takes the newest prompt")
    chain_version: int | None = Field(default=None, ge=1, description="None takes the newest prompt")
    whole_version: int | None = Field(default=None, ge=1, description="None takes the newest prompt; for calls=1")

    def of_the_output(self) -> dict[str, object]:
        """Return what can change a chain; prompts are told by their hashes."""
        return {**super().of_the_output(), "calls": self.calls}
