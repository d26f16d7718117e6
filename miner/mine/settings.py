"""What `cxr mine` is told."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from cxr.miner.judge.settings import JudgeName
from cxr.miner.kit.settings import Names, Tasks
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
    guide: bool = Field(default=True, description="the schema and the length of a reply are made for its question")
    blind_plan: bool = Field(
        default=False, description="leave out of the plan's report what states the findings that are asked about"
    )
    styles: Names | None = Field(default=None, description="voices of chains to draw from; None draws from all")
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

    judge: JudgeName | None = Field(
        default=None, description="who chooses among candidates; its server is that of [judge]; None is rules"
    )
    best_of: int = Field(default=1, ge=1, le=64, description="chains a question, of which the best judged is kept")
    until_factual: bool = Field(default=False, description="draw no more once a chain is wholly factual")
    repair: bool = Field(default=False, description="claims that are not borne out go back to the model once")
    candidate_temperature: float = Field(
        default=0.7, gt=0, le=2, description="of the second candidate and later ones, where the temperature is 0"
    )

    @property
    def chooses(self) -> bool:
        """Whether chains are judged while they are mined."""
        return self.best_of > 1 or self.repair

    def of_the_output(self) -> dict[str, object]:
        """Return what can change a chain; prompts are told by their hashes."""
        drawn: dict[str, object] = (
            {"best_of": self.best_of, "until_factual": self.until_factual} if self.best_of > 1 else {}
        )
        if self.best_of > 1 and not self.temperature:
            drawn["candidate_temperature"] = self.candidate_temperature
        mended = {"repair": True} if self.repair else {}
        own = {"calls": self.calls, "guide": self.guide, "blind_plan": self.blind_plan}
        return {**super().of_the_output(), **own, **drawn, **mended}
