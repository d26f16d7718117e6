"""Our settings in the words of transformers, TRL and PEFT."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig

from cxr.miner.kit.errors import CxrError, SettingsError
from cxr.trainer.train.logs import report_to
from cxr.trainer.train.settings import TrainSettings

_UNKNOWN = re.compile(r"unexpected keyword argument '(\w+)'")
_SAME = ("learning_rate", "weight_decay", "max_grad_norm", "gradient_checkpointing", "save_steps", "seed")
"""What they call as we do."""


def common(settings: TrainSettings, output: Path, accumulation: int, steps: int) -> dict[str, Any]:
    """Return what both stages tell transformers' Trainer."""
    on_cpu = not torch.cuda.is_available()
    return {
        **{name: getattr(settings, name) for name in _SAME},
        "output_dir": str(output),
        "max_steps": steps,
        "per_device_train_batch_size": settings.device_batch,
        "gradient_accumulation_steps": accumulation,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": math.ceil(settings.warmup * steps),
        "adam_beta1": settings.betas[0],
        "adam_beta2": settings.betas[1],
        "bf16": settings.precision == "bf16" and not on_cpu,
        "use_cpu": on_cpu,
        # Every weight gets a gradient in every batch: several processes train on samples with images alone.
        "ddp_find_unused_parameters": False,
        "ddp_timeout": round(settings.timeout_hours * 3600),
        "dataloader_num_workers": settings.workers,
        "dataloader_pin_memory": not on_cpu,
        "data_seed": settings.seed,
        "save_strategy": "steps",
        # The best one is kept beside them.
        "save_total_limit": settings.keep_checkpoints + bool(settings.eval_steps),
        "logging_strategy": "steps",
        "logging_steps": settings.log_steps,
        # transformers would hide a loss that is NaN behind the mean of the others.
        "logging_nan_inf_filter": False,
        "report_to": report_to(settings.trackers),
        "disable_tqdm": True,
    }


@contextmanager
def told_to_trl(settings: TrainSettings) -> Iterator[None]:
    """Turn what TRL says of settings that it does not take into a SettingsError, where some are the user's."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if not settings.trl or isinstance(error, CxrError):
            raise
        unknown = _UNKNOWN.search(str(error))
        if unknown:
            raise SettingsError(f"TRL takes no trl.{unknown[1]}; leave it out, or look up its name") from None
        given = ", ".join(f"trl.{name}" for name in settings.trl)
        what = str(error).splitlines()[0][:160].rstrip(".")
        raise SettingsError(f"TRL does not take these settings ({given}): {what}; change or leave them out") from None


def lora(settings: TrainSettings) -> LoraConfig | None:
    """Return PEFT's configuration; None where every weight is trained."""
    if settings.lora_rank == 0:
        return None
    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=list(settings.lora_targets),
        # The language model alone: the vision towers of some families have layers of the same names.
        exclude_modules=r"(.*\.)?visual\..*",
        task_type="CAUSAL_LM",
    )
