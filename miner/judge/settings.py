"""Who judges: what `cxr judge` and `cxr radrscore` are told, and what other stages with a judge share with them."""

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from cxr.miner.judge.entailment import Entailment
from cxr.miner.judge.registry import check_name
from cxr.miner.judge.sureness import Sure, load_weights
from cxr.miner.judge.weights import Weights
from cxr.miner.llm.settings import ServerSettings
from cxr.schemas.vocabulary import Licence

JudgeName = Annotated[str, BeforeValidator(check_name)]


class JudgedSettings(ServerSettings):
    """Which judge a stage asks; what is inherited is for judges that ask a model server."""

    model_flag: ClassVar[str] = "--judge-model"

    judge: JudgeName = "rules"
    entailment: Entailment = Entailment.RUBRIC
    """What the rules judge grants."""
    sure: Sure = Field(default_factory=lambda: load_weights().levels["usual"])
    """The least sureness with which the rules' verdict stands in a cascade."""


class WeighedSettings(JudgedSettings):
    """Which judge a stage asks that gives scores, and whether it weighs findings as well."""

    weights: Weights = Weights.NONE


class JudgeSettings(WeighedSettings):
    """Which judge answers `cxr judge` and `cxr radrscore`; nobody knows whose text a file holds but the user."""

    stage: ClassVar[str] = "judge"
    model_config = SettingsConfigDict(env_prefix="CXR_JUDGE_", pyproject_toml_table_header=("judge",))

    licence: Licence = Licence.CREDENTIALED
