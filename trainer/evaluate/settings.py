"""What an evaluation is told."""

from typing import ClassVar, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cxr.miner.judge.radrscore import Empty
from cxr.miner.judge.settings import WeighedSettings
from cxr.miner.kit.settings import Names


class EvaluateSettings(WeighedSettings):
    """Which judge, which draws, and how corpora are told apart; `model` and the server are the llm judge's."""

    stage: ClassVar[str] = "evaluate"
    model_config = SettingsConfigDict(env_prefix="CXR_EVALUATE_", pyproject_toml_table_header=("evaluate",))

    empty: Empty = Empty.ZERO
    # Patients are drawn whole: two samples of one patient say less than samples of two.
    cluster: Literal["sample", "patient"] = "sample"
    resamples: int = Field(default=1000, ge=1)
    seed: int = Field(default=0, ge=0)
    # Corpora of other hospitals, that no model is trained on (paper, section 3): tables of their own.
    cross_centre: Names = ("rsna", "siim")
    processes: int | None = Field(default=None, ge=1)

    @property
    def statistics(self) -> dict[str, object]:
        """What decides the numbers of an evaluation beside judgements, as kept with each of them."""
        return self.model_dump(
            mode="json", include={"empty", "cluster", "resamples", "seed", "cross_centre", "weights"}
        )
