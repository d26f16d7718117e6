"""What TRL's two trainers lack for us: checkpoints that resume exactly, and folders that load everywhere.

transformers loads a checkpoint's weights by name and leaves alone what does not match. The names in the checkpoints
of Qwen2-VL and Qwen2.5-VL are the hub's older ones, so nothing matches, and a resumed run goes on from the base
weights with no more than a warning (transformers issue 43701). Here weights go through `from_pretrained`, which knows
both sets of names, and must all match.
"""

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

from transformers.trainer_callback import TrainerState

from cxr.miner.kit.errors import InputError
from cxr.trainer.models.families import save_processor

STATE = "trainer_state.json"


class Exact:
    """Mixed into a trainer before TRL's class."""

    validation: Any = None
    """What answers held-out samples where a step asks for it (`validation.Validation`)."""

    def _evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Answer held-out samples; transformers would take the loss on them."""
        trainer: Any = self
        measures: dict[str, float] = self.validation.run(trainer.control)
        return measures

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        folder = Path(resume_from_checkpoint)
        trainer: Any = self
        is_adapter = (folder / "adapter_config.json").is_file()
        if is_adapter or trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
            # These load by their own names, which do match.
            super()._load_from_checkpoint(resume_from_checkpoint, model)  # type: ignore[misc]
            return
        own = trainer.accelerator.unwrap_model(model if model is not None else trainer.model)
        saved = type(own).from_pretrained(folder, dtype=next(own.parameters()).dtype)
        own.load_state_dict(saved.state_dict(), strict=True)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)  # type: ignore[misc]
        trainer: Any = self
        if trainer.args.should_save:
            save_processor(trainer.processing_class, Path(output_dir or trainer.args.output_dir))

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write none: `run.json` says what a run was, and a card would name the machine's folders."""


def demand_only_ours(checkpoint: Path) -> None:
    """Raise InputError for a checkpoint that anybody but this user could have written a part of.

    DeepSpeed's are pickled and DeepSpeed unpickles them, which runs what stands there; all others are read as weights.
    """
    for path in (checkpoint, *checkpoint.rglob("*")):
        told = path.lstat()
        if told.st_uid != os.getuid() or told.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or path.is_symlink():
            raise InputError(
                f"{checkpoint} holds {path.name}, which others may write to, and DeepSpeed would run what they wrote; "
                "make it yours alone (chmod -R go-w) if you know what is in it, or start anew with --existing replace"
            )


def last_checkpoint(output: Path) -> Path | None:
    """Return the last whole checkpoint of a run; what a kill left half-written is removed.

    The state is what a checkpoint gets last, so one that can be read tells that the rest is there.
    """
    whole: dict[int, Path] = {}
    for folder in output.glob("checkpoint-*"):
        try:
            whole[TrainerState.load_from_json(str(folder / STATE)).global_step] = folder
        except (OSError, json.JSONDecodeError, TypeError, KeyError):
            shutil.rmtree(folder)
    return whole[max(whole)] if whole else None


def check_same_run(now: dict[str, Any], before: dict[str, Any], output: Path) -> None:
    """Raise InputError where a run would be resumed with other settings or data than it began with."""
    different = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
    if different:
        name = different[0]
        raise InputError(
            f"{output} holds a run with {name} {before.get(name)!r}, and this one has {now.get(name)!r}; give what it "
            "began with, another -o, or --existing replace"
        )
