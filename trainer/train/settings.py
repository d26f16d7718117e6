"""What a training is told: the command line's `--set`, else `CXR_TRAIN_<STAGE>_*`, else `cxr.toml`, else the preset.

A preset is a TOML file with the tables `[sft]` and `[grpo]`; ours lie in `trainer/presets/`. The defaults below are the
paper's (section 6.1, supplementary tables 1 and 2), so a preset holds what it changes. In `cxr.toml` the tables are
`[train.sft]` and `[train.grpo]`.
"""

import hashlib
import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from cxr.miner.benchmark.settings import Mode
from cxr.miner.judge.registry import JUDGES
from cxr.miner.kit.errors import SettingsError
from cxr.miner.kit.settings import Names, StageSettings
from cxr.trainer.models.families import Attention, Precision
from cxr.trainer.reward.protocol import ProcessKind
from cxr.trainer.reward.registry import PAPERS, REWARDS

Parallel = Literal["none", "ddp", "zero2", "fsdp"]
Rollouts = Literal["transformers", "vllm-colocate", "vllm-server"]
Loss = Literal["grpo", "dr_grpo", "dapo", "gspo"]
Scale = Literal["group", "batch", "none", "normalize_then_sum"]
Credit = Literal["sequence", "step"]

# How the images of one step may be found wanting before the training stops: one in a hundred.
MAX_REJECTS = 0.01

PRESETS = resources.files("cxr.trainer.train") / "presets"

NOBODY = "none"
"""In the place of a kind: there is no process reward."""


def _check_kind(name: Any) -> Any:
    if name not in KINDS:
        raise ValueError(f"{', '.join(map(repr, KINDS))}, or who judges the paper's factuality: {_JUDGES}")
    return name


KINDS = (*get_args(ProcessKind), NOBODY)
"""The process rewards by name, and none."""
_JUDGES = ", ".join(map(repr, JUDGES.names)) + ", or your own as module:name"
ProcessJudge = Annotated[str, BeforeValidator(JUDGES.check)]
ProcessReward = Annotated[str, BeforeValidator(_check_kind)]
RewardName = Annotated[str, AfterValidator(REWARDS.check)]
Weight = Annotated[float, Field(allow_inf_nan=False)]


class TrainSettings(StageSettings):
    """What both stages are told."""

    # Data: which samples, and how often those of each mode are taken (2: twice; 0.5: every second).
    modes: Names = tuple(Mode)
    mix: dict[Mode, float] = Field(default={Mode.ANSWER_ONLY: 1.0, Mode.REASONING: 1.0})
    limit: int | None = Field(default=None, ge=1)
    # none: questions and reports alone, for a store without image files, and to see what text gives away.
    images: Literal["required", "none"] = "required"
    max_rejects: float = Field(default=MAX_REJECTS, ge=0, le=1)
    min_pixels: int = Field(default=56 * 56, ge=1)
    max_pixels: int = Field(default=448 * 448, ge=1)
    max_length: int = Field(default=4096, ge=16)

    # Optimization.
    steps: int | None = Field(default=None, ge=1)
    device_batch: int = Field(default=8, ge=1)
    global_batch: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    warmup: float = Field(default=0.1, ge=0, lt=1)
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    precision: Precision = "bf16"
    attention: Attention = "sdpa"
    gradient_checkpointing: bool = True
    # Leave the vision tower as it is: the language model alone is trained.
    freeze_vision: bool = False
    seed: int = 0

    # LoRA: rank 0 trains every weight.
    lora_rank: int = Field(default=0, ge=0)
    lora_alpha: int = Field(default=32, ge=1)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    lora_targets: Names = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

    # Where it runs, and what it leaves.
    parallel: Parallel = "none"
    gpus: int = Field(default=1, ge=1)
    threads: int | None = Field(default=None, ge=1)
    workers: int = Field(default=0, ge=0)
    save_steps: int = Field(default=100, ge=1)
    keep_checkpoints: int = Field(default=2, ge=1)
    log_steps: int = Field(default=1, ge=1)
    trackers: Names = ("tensorboard",)
    # Anything else that TRL's configuration takes, by its own name.
    trl: dict[str, Any] = Field(default={})

    @classmethod
    def short_stage(cls) -> str:
        """Return `sft` or `grpo`, as presets and exports call the stage."""
        return cls.stage.removeprefix("train ")

    @property
    def completions(self) -> int:
        """How many completions a step takes."""
        return self.global_batch

    def steps_over(self, rows: int) -> int:
        """Return how many steps a run has: as many as told, or else once over the rows."""
        return self.steps or max(1, rows // self.global_batch)

    def way(self) -> Parallel:
        """Return how processes share the work: alone not at all, together at least as copies."""
        if self.gpus == 1:
            return "none"
        return "ddp" if self.parallel == "none" else self.parallel

    @classmethod
    def from_preset(cls, preset: str, store: Path, given: dict[str, Any]) -> Self:
        """Return the settings of a stage; raises SettingsError with one sentence for what cannot be used."""
        values = read_preset(preset).get(cls.short_stage(), {})
        bound: type[Self] = type(cls.__name__, (cls,), {"_lowest": values, "__module__": cls.__module__})
        return bound.resolve(store, **given)


class SFTSettings(TrainSettings):
    """Supervised fine-tuning (paper, supplementary table 1)."""

    stage: ClassVar[str] = "train sft"
    model_config = SettingsConfigDict(
        env_prefix="CXR_TRAIN_SFT_", pyproject_toml_table_header=("train", "sft"), env_nested_delimiter="__"
    )

    learning_rate: float = Field(default=2e-6, gt=0)
    global_batch: int = Field(default=512, ge=1)


class GRPOSettings(TrainSettings):
    """GRPO with a process reward (paper, equations 8 and 9, supplementary table 2).

    `global_batch` counts prompts, as verl's does: each is answered `group` times.
    """

    stage: ClassVar[str] = "train grpo"
    moved: ClassVar[dict[str, str]] = {"reward_weights": "rewards"}
    model_config = SettingsConfigDict(
        env_prefix="CXR_TRAIN_GRPO_", pyproject_toml_table_header=("train", "grpo"), env_nested_delimiter="__"
    )

    learning_rate: float = Field(default=5e-7, gt=0)
    global_batch: int = Field(default=256, ge=1)
    group: int = Field(default=8, ge=2)
    max_completion_length: int = Field(default=1024, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    kl: float = Field(default=1e-4, ge=0)
    entropy: float = Field(default=1e-4, ge=0)
    clip: float = Field(default=0.2, gt=0)
    # reasoning: ask answer-only samples to reason, too, as outcome-based RL does (paper, section 3.3).
    ask: Literal["as exported", "reasoning"] = "as exported"
    # Each reward's weight, by its name or as module:function; 0 measures and does not train.
    rewards: dict[RewardName, Weight] = Field(default=PAPERS)
    # grounded, or the paper's factuality; and who judges reasoning for it.
    process_reward: ProcessReward = "grounded"
    process_judge: ProcessJudge = "rules"
    ratescore: Path | None = None
    rollouts: Rollouts = "transformers"
    # Completions that a process generates at once; None: those of a whole step.
    rollout_batch: int | None = Field(default=None, ge=1)
    # What is summed: grpo, the mean of each completion's tokens (the paper's); dapo, of all tokens alike, so that long
    # completions count by their length; dr_grpo, the same over a length that is always the longest, so that none gains
    # by being short or long; gspo, as grpo, with one ratio to the old policy a completion (take a clip of about 3e-4).
    loss: Loss = "grpo"
    # What an advantage is measured in: group, its group's spread (the paper's); batch, all groups', where easy and hard
    # prompts should not count alike; none, for dr_grpo; normalize_then_sum, each reward in its group's before they are
    # summed, where one reward drowns another.
    scale: Scale = "group"
    # How often a group whose rewards are all equal, which teaches nothing, is answered again.
    resample: int = Field(default=0, ge=0)
    # step: tokens of a sentence with a wrong finding have their own advantage. It is checked against what stands above.
    credit: Credit = "sequence"

    @field_validator("credit")
    @classmethod
    def _check_credit(cls, credit: Credit, told: ValidationInfo) -> Credit:
        """Refuse step credit where nothing would come of it."""
        others, trl = told.data, told.data.get("trl", {})
        if credit == "sequence":
            return credit
        if others.get("loss") == "gspo" or trl.get("importance_sampling_level") == "sequence":
            raise ValueError("'sequence' with loss=gspo, where one ratio gives all tokens of a completion one gradient")
        if others.get("process_reward") == NOBODY or not others.get("rewards", PAPERS).get("process"):
            raise ValueError("'sequence' without a process reward of some weight, which is what steps are paid by")
        return credit

    @model_validator(mode="before")
    @classmethod
    def _name_judge(cls, values: Any) -> Any:
        """Read a judge in the place of a kind: before there were kinds, it judged factuality."""
        named = values.get("process_reward", NOBODY)
        if named in KINDS or not _is_judge(named):
            return values
        return {**values, "process_reward": "factuality", "process_judge": named}

    @model_validator(mode="before")
    @classmethod
    def _merge_rewards(cls, values: Any) -> Any:
        """Add what is told of rewards to the paper's; before rewards had names, their weights stood in a row."""
        told = [values.get(name, {}) for name in ("reward_weights", "rewards")]
        named = [dict(zip(PAPERS, part, strict=False)) if isinstance(part, list | tuple) else part for part in told]
        if not all(isinstance(part, dict) for part in named):
            return values
        others = {name: value for name, value in values.items() if name != "reward_weights"}
        return {**others, "rewards": PAPERS | named[0] | named[1]}

    @property
    def completions(self) -> int:
        """How many completions a step takes: each prompt is answered `group` times."""
        return self.global_batch * self.group

    def weights(self) -> dict[str, float]:
        """Return the weight of each reward that a run has."""
        left_out = {"process"} if self.process_reward == NOBODY else set()
        return {name: weight for name, weight in self.rewards.items() if name not in left_out}


def _is_judge(name: Any) -> bool:
    try:
        JUDGES.check(name)
    except (ValueError, TypeError):
        return False
    return True


def presets() -> dict[str, str]:
    """Return the names of the presets that come with us, each with what its first line says."""
    files = sorted(PRESETS.iterdir(), key=lambda file: file.name)
    return {
        file.name.removesuffix(".toml"): file.read_text("utf-8").splitlines()[0].lstrip("# ")
        for file in files
        if file.name.endswith(".toml") and file.name != "ablation.toml"
    }


def read_preset(preset: str) -> dict[str, Any]:
    """Read a preset by its name or path; raises SettingsError where it cannot be read."""
    text = preset_text(preset)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the preset {preset} is not valid TOML ({error}); mend it") from None
    for name, table in tables.items():
        if name not in {"sft", "grpo"} or not isinstance(table, dict):
            raise SettingsError(f"the preset {preset} holds {name!r}; expected the tables [sft] and [grpo]")
    return tables


def preset_hash(preset: str) -> str:
    """Return the SHA-256 of a preset's text; raises SettingsError where there is none of that name."""
    return hashlib.sha256(preset_text(preset).encode()).hexdigest()


def preset_text(preset: str) -> str:
    """Return a preset as it is written; raises SettingsError where there is none of that name."""
    if preset in presets():
        return PRESETS.joinpath(f"{preset}.toml").read_text("utf-8")
    path = Path(preset)
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"there is no preset {preset!r}; expected {', '.join(presets())} or a TOML file") from None


def parse_rewards(texts: Iterable[str]) -> dict[str, float]:
    """Read `name=weight` or `module:function=weight`; raises SettingsError for anything else."""
    weights = {}
    for text in texts:
        name, _, weight = text.rpartition("=")
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            name = ""
        if not name.strip():
            raise SettingsError(
                f"--reward {text!r} cannot be read; expected NAME=WEIGHT, e.g. accuracy=2 or my_rewards:brevity=0.5"
            )
    return weights


def parse_given(texts: Iterable[str]) -> dict[str, Any]:
    """Read `key=value` as TOML would, a bare word as text; `mix.reasoning=2` sets an entry of a table."""
    given: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise SettingsError(f"--set {text!r} cannot be read; expected key=value, e.g. learning_rate=1e-5")
        *tables, key = name.strip().split(".")
        place = given
        for table in tables:
            place = place.setdefault(table, {})
        place[key] = _value(value.strip())
    return given


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
