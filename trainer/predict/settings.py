"""What `cxr predict` is told: command line, else `CXR_PREDICT_*`, else `[predict]` in `cxr.toml`, else the default."""

from typing import ClassVar, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cxr.miner.benchmark.settings import Mode, Split
from cxr.miner.kit.settings import Tasks
from cxr.miner.llm.settings import ServerSettings
from cxr.trainer.models.families import Attention, Precision

Ask = Literal["own", "reasoning", "answer_only", "both"]
"""How samples are asked: each as its own mode says, all of them in one way, or each of them in both."""

QWEN_PIXELS = 1280 * 28 * 28
"""The largest image, by area, that Qwen's own processors let pass; what goes to a server is made no larger."""


class PredictSettings(ServerSettings):
    """Which samples are asked, how, and of whom."""

    stage: ClassVar[str] = "predict"
    model_config = SettingsConfigDict(env_prefix="CXR_PREDICT_", pyproject_toml_table_header=("predict",))
    moved: ClassVar[dict[str, str]] = {"max_new_tokens": "max_completion_tokens", "seed": "sampling_seed"}

    # Which samples.
    split: Split = "test"
    samples: Mode | None = None
    tasks: Tasks | None = None
    limit: int | None = Field(default=None, ge=1)
    image_roots: dict[str, str] = Field(default={})

    # How they are asked; all of this can change an output.
    mode: Ask = "own"
    # None: as the record of the model's training says, or else as the paper does, with images of their own shape.
    instructions: str | None = None
    image_side: int | None = Field(default=None, ge=28, description="show images as squares of so many pixels a side")
    max_completion_tokens: int = Field(default=1024, gt=0, description="the longest output")
    # None leaves what the model's processor says; for a server it is QWEN_PIXELS.
    min_pixels: int | None = Field(default=None, ge=1)
    max_pixels: int | None = Field(default=None, ge=1)

    # A local checkpoint. None: bf16 on a GPU, fp32 elsewhere; a GPU where there is one.
    precision: Precision | None = None
    attention: Attention = "sdpa"
    device: str | None = None
    batch: int = Field(default=8, ge=1)
    workers: int = Field(default=4, ge=1, description="threads that decode and prepare images")
    prefetch: int = Field(default=2, ge=0, description="batches prepared ahead; 0 prepares while the device waits")

    # A server: `base_url` or `api` makes it one; how it is asked is inherited.
    picture: Literal["png", "jpeg"] = "png"

    @property
    def is_server(self) -> bool:
        """Return whether a server is asked, rather than a model loaded here."""
        return bool({"base_url", "api"} & self.model_fields_set)
