"""What `cxr score` and `cxr filter` are told."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cxr.miner.judge.settings import WeighedSettings
from cxr.miner.kit.settings import Names, StageSettings

# A reviewed chain stays with at least this on every axis (paper, section 2, "RadRBench-CXR compilation").
MIN_REVIEW = 5.0


class ScoreSettings(WeighedSettings):
    """Which judge scores the chains of a store; the store knows the licence of each text."""

    stage: ClassVar[str] = "score"
    model_config = SettingsConfigDict(env_prefix="CXR_SCORE_", pyproject_toml_table_header=("score",))


class FilterSettings(StageSettings):
    """Which chains are kept."""

    stage: ClassVar[str] = "filter"
    model_config = SettingsConfigDict(env_prefix="CXR_FILTER_", pyproject_toml_table_header=("filter",))

    min_factuality: float = Field(default=1.0, ge=0, le=1)
    min_review: float = Field(default=MIN_REVIEW, ge=-10, le=10)
    """What a reviewed chain needs on every axis; one that nobody reviewed needs nothing."""
    all_settings: bool = False
    """Every chain of a question, not the newest alone."""
    drop_duplicates: bool = False
    """Of chains that say nearly the same, one."""
    agree: Names = ()
    """Labelers that must not contradict a chain's evidence."""
