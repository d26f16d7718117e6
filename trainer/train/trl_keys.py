"""The keys of TRL's configuration that are ours to set: given as `trl.KEY`, they would go behind our back."""

from typing import Any

_INSTEAD = {
    **dict.fromkeys(
        ("eval_strategy", "evaluation_strategy", "eval_steps", "do_eval", "eval_on_start", "eval_delay"), "eval_steps"
    ),
    **dict.fromkeys(
        ("per_device_eval_batch_size", "eval_accumulation_steps", "num_generations_eval", "per_gpu_eval_batch_size"),
        "eval_samples",
    ),
    **dict.fromkeys(("load_best_model_at_end", "metric_for_best_model", "greater_is_better"), "best"),
    **dict.fromkeys(("max_steps", "num_train_epochs"), "steps"),
    **dict.fromkeys(("gradient_accumulation_steps", "auto_find_batch_size"), "global_batch"),
    **dict.fromkeys(("per_device_train_batch_size", "train_batch_size"), "device_batch"),
    **dict.fromkeys(("generation_batch_size", "steps_per_generation"), "rollout_batch"),
    **dict.fromkeys(("use_vllm", "vllm_mode"), "rollouts"),
    **dict.fromkeys(("adam_beta1", "adam_beta2"), "betas"),
    **dict.fromkeys(("warmup_steps", "warmup_ratio"), "warmup"),
    **dict.fromkeys(("seed", "data_seed"), "seed"),
    **dict.fromkeys(("bf16", "fp16"), "precision"),
    **dict.fromkeys(("deepspeed", "fsdp", "fsdp_config"), "parallel"),
    "num_generations": "group",
    "lr_scheduler_type": "schedule",
    "save_total_limit": "keep_checkpoints",
    "logging_steps": "log_steps",
    "report_to": "trackers",
    "dataloader_num_workers": "workers",
    "reward_weights": "rewards",
    "beta": "kl",
    "entropy_coef": "entropy",
    "epsilon": "clip",
    "output_dir": "-o",
    "resume_from_checkpoint": "--existing resume",
}
"""A key of TRL's or transformers', and what takes its place."""
_SAME = ("learning_rate", "weight_decay", "max_grad_norm", "gradient_checkpointing", "save_steps",
         "max_completion_length", "temperature")  # fmt: skip
"""Ours by the same name."""
_NEVER = {
    **dict.fromkeys(("packing", "padding_free"), "samples with images cannot be packed"),
    **dict.fromkeys(("push_to_hub", "hub_model_id", "hub_token"), "nothing is sent anywhere: upload final/ yourself"),
    "remove_unused_columns": "rewards and checks need the columns",
}
"""What cannot work, and why."""


def refuse_ours(given: dict[str, Any]) -> dict[str, Any]:
    """Return what TRL is told beside our settings; raises ValueError for a key that is ours, or that cannot work."""
    for key in given:
        if key in _NEVER:
            raise ValueError(f"expected no trl.{key}: {_NEVER[key]}")
        instead = key if key in _SAME else _INSTEAD.get(key)
        if instead is not None:
            how = instead if instead.startswith("-") else f"--set {instead}"
            raise ValueError(f"expected no trl.{key}, which cxr sets itself: give {how}")
    return given
