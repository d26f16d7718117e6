"""What `cxr review` is told: what is drawn, who reads it, and how often."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from cxr.miner.kit.settings import Names, StageSettings, Tasks

LONGEST_NAME = 64


class What(StrEnum):
    """What readers are shown and asked."""

    CHAINS = "chains"
    """Chains, for three scores and marks on their steps."""
    FINDINGS = "findings"
    """Single findings that chains make, for the rubric's five verdicts: gold for a judge."""
    AUDIT = "audit"
    """The lines that `cxr audit -o` drew: chains as above, and findings on which labelers differ, as above."""


def _all_tasks(value: object) -> object:
    return () if value == "all" else value


def _no_odd_names(names: tuple[str, ...]) -> tuple[str, ...]:
    if any(len(name) > LONGEST_NAME or not name.isprintable() for name in names):
        raise ValueError(f"expected names of up to {LONGEST_NAME} printable characters, separated by commas")
    return names


Readers = Annotated[Names, AfterValidator(_no_odd_names)]


class ReviewSettings(StageSettings):
    """What is drawn into a review study, and for whom."""

    stage: ClassVar[str] = "review"
    model_config = SettingsConfigDict(env_prefix="CXR_REVIEW_", pyproject_toml_table_header=("review",))

    what: What = What.CHAINS
    sample: int = Field(default=200, ge=1)
    """So many items, fewer where there are not as many; an audit takes every line of its file up to this."""
    task: Annotated[Tasks, NoDecode, BeforeValidator(_all_tasks)] = ()
    """Only these; none named is all."""
    factual: bool = False
    """Only chains that the judge keeps."""
    readers: Readers = ()
    adjudicators: Readers = ()
    """They read nothing but what others differ on; without one, a reader who has not met the item is asked."""
    overlap: float = Field(default=0.2, ge=0, le=1)
    """The share of the items that two readers read."""
    repeats: float = Field(default=0.1, ge=0, le=0.5)
    """The share of a reader's items that come a second time."""
    seed: int = 0
    audit: Path | None = None
    """The file by `cxr audit -o` that `what = audit` shows."""
    training: Path | None = None
    """An export of somebody's reviews: its chains come first, and what was said of them is shown after one's own."""
