"""Stage 2: GRPO with format, accuracy and process rewards (paper, equations 8 and 9), by TRL's GRPOTrainer."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from cxr.miner.kit.errors import SettingsError
from cxr.trainer.reward.protocol import RewardFunction
from cxr.trainer.train.exact import Exact
from cxr.trainer.train.groups import GroupPlan, Groups
from cxr.trainer.train.pictures import decoded
from cxr.trainer.train.settings import GRPOSettings, Loss, Scale
from cxr.trainer.train.trl_settings import common, lora

# What the model's forward pass takes of images; absent where a batch has none.
_OF_IMAGES = ("pixel_values", "image_grid_thw", "num_images")

# Our names of losses and scales in TRL's words.
_LOSSES: dict[Loss, dict[str, str]] = {
    **{loss: {"loss_type": loss, "importance_sampling_level": "token"} for loss in ("grpo", "dr_grpo", "dapo")},
    "gspo": {"loss_type": "grpo", "importance_sampling_level": "sequence"},
}
_SCALES: dict[Scale, dict[str, str]] = {
    **{scale: {"scale_rewards": scale} for scale in ("group", "batch", "none")},
    "normalize_then_sum": {"multi_objective_aggregation": "normalize_then_sum"},
}


class ExactGRPOTrainer(Groups, Exact, GRPOTrainer):
    """TRL's trainer, for batches in which some prompts have no image, one or two."""

    _name = "GRPO"

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        # TRL marks a prompt without images with None, which the processor does not take; it takes an empty list.
        ids, images, fields = super()._tokenize_prompts(prompts)
        return ids, images and [of_prompt or [] for of_prompt in images], fields

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        num_images: list[int] | None = None,
        **more: Any,
    ) -> Any:
        if not num_images or all(num_images):
            return super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, batch_size, num_images=num_images, **more
            )
        # Some prompts have no image. A part of the batch without any must go through the model as text alone.
        size = batch_size or input_ids.size(0)
        parts = [
            super(ExactGRPOTrainer, self)._get_per_token_logps_and_entropies(
                model,
                input_ids[start : start + size],
                attention_mask[start : start + size],
                logits_to_keep,
                **part_of(start, start + size, num_images, more),
            )
            for start in range(0, input_ids.size(0), size)
        ]
        logps, entropies, losses = zip(*parts, strict=True)
        return (
            torch.cat(logps),
            None if entropies[0] is None else torch.cat(entropies),
            None if losses[0] is None else torch.stack(losses).mean(),
        )


def part_of(start: int, end: int, num_images: Sequence[int], fields: dict[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of some rows of a batch: pixels and grids are stored image after image."""
    here = num_images[start:end]
    part = {name: value for name, value in fields.items() if name not in _OF_IMAGES}
    for name in ("mm_token_type_ids", "token_type_ids"):
        if part.get(name) is not None:
            part[name] = part[name][start:end]
    grid, pixels = fields.get("image_grid_thw"), fields.get("pixel_values")
    if sum(here) and grid is not None and pixels is not None:
        first, last = sum(num_images[:start]), sum(num_images[:end])
        rows = grid.prod(-1)
        before, within = int(rows[:first].sum()), int(rows[first:last].sum())
        part |= {
            "pixel_values": pixels[before : before + within],
            "image_grid_thw": grid[first:last],
            "num_images": list(here),
        }
    return part


def grpo_config(settings: GRPOSettings, output: Path, accumulation: int, steps: int, processes: int) -> GRPOConfig:
    """Return TRL's configuration: the plain k3 estimate of KL, loss and scale as told, one update a batch.

    Raises SettingsError for rollouts by vLLM where it is not installed.
    """
    by_vllm = settings.rollouts != "transformers"
    if by_vllm and find_spec("vllm") is None:
        raise SettingsError(
            f"rollouts={settings.rollouts} needs vLLM, which is not installed; pip install vllm, or leave it out"
        )
    at_once = settings.rollout_batch or settings.device_batch * accumulation
    return GRPOConfig(
        **{
            **common(settings, output, accumulation, steps),
            "generation_batch_size": at_once * processes,
            "num_generations": settings.group,
            "max_completion_length": settings.max_completion_length,
            "temperature": settings.temperature,
            "top_k": 0,
            "beta": settings.kl,
            "entropy_coef": settings.entropy,
            "epsilon": settings.clip,
            # TRL corrects the KL term for stale samples by default; the paper's is GRPO's own (equation 8).
            "use_bias_correction_kl": False,
            **_LOSSES[settings.loss],
            **_SCALES[settings.scale],
            "reward_weights": list(settings.weights().values()),
            "log_completions": False,
            "use_vllm": by_vllm,
            **({"vllm_mode": settings.rollouts.removeprefix("vllm-")} if by_vllm else {}),
            **settings.trl,
        }
    )


def grpo_trainer(
    model: Any,
    processor: Any,
    rows: Dataset,
    settings: GRPOSettings,
    config: GRPOConfig,
    rewards: Sequence[RewardFunction],
    plan: GroupPlan | None = None,
) -> ExactGRPOTrainer:
    """Return a trainer that is ready for `train()`; `rewards` are logged under their names."""
    functions: list[Any] = list(rewards)  # TRL's type wants lists of values where it takes any sequence
    trainer = ExactGRPOTrainer(
        model=model,
        reward_funcs=functions,
        args=config,
        train_dataset=decoded(rows, processor),
        processing_class=processor,
        peft_config=lora(settings),
    )
    trainer.plan = plan or GroupPlan()
    return trainer
