"""Validation while training: held-out samples, answered and scored every so many steps, and the best checkpoint kept.

OUT/validation.jsonl has a line for each validation, OUT/validation_samples.jsonl the completions with their scores, and
OUT/best leads to the checkpoint of the best one (with LoRA OUT/best-merged is the model). A run with validation has the
losses of one without: generation is greedy, and what it touches of the model and of random numbers is put back.
"""

# ruff: noqa: ARG002 - transformers calls every method of a callback with the same arguments

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from peft import PeftModel
from transformers import TrainerCallback, TrainerControl, TrainerState
from transformers import TrainingArguments as Arguments

from cxr.miner.kit.console import say
from cxr.miner.kit.files import append, discard, whole_folder
from cxr.trainer.models.families import load_model, save
from cxr.trainer.predict.local import LoadedModel
from cxr.trainer.predict.settings import PredictSettings
from cxr.trainer.reward.process import GroundedReward, ProcessReward
from cxr.trainer.reward.registry import WeightedReward
from cxr.trainer.train.held_out import HeldOut, Row, measures_of, score_rows
from cxr.trainer.train.run_record import VALIDATION, LogLine, as_lines, keep_steps, read_log
from cxr.trainer.train.settings import GRPOSettings, TrainSettings

COMPLETIONS = "validation_samples.jsonl"
BEST = "best"
MERGED = "best-merged"
"""What LoRA trained best, as a model: its checkpoints are adapters."""

STALLED = 3
"""Validations without a better one, after which it is said."""
FALLEN = 0.03
"""What a measure has to fall by to be more than noise."""
_SPARE = 16
"""Tokens beside twice the longest reference that SFT's model may write."""


class Validation(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Answers the held-out samples before step 1, every `eval_steps` steps and after the last one."""

    def __init__(
        self,
        out: Path,
        held_out: HeldOut,
        processor: Any,
        settings: TrainSettings,
        rewards: Sequence[WeightedReward],
        processes: PartialState,
    ) -> None:
        self._out = out
        self._held_out = held_out
        self._rows = {row["sample_id"]: row for row in held_out.rows}
        self._processor = processor
        self._settings = settings
        self._process = process_of(settings, rewards)
        self._processes = processes
        self._lines: list[LogLine] = []
        self._warned_of = -1
        self._trainer: Any = None

    def attach(self, trainer: Any) -> None:
        """Be called by a trainer of ours, after its log has measured and written the step."""
        self._trainer = trainer
        trainer.validation = self
        trainer.add_callback(self)

    # --- when ------------------------------------------------------------------------------------------------------

    def on_train_begin(self, args: Arguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Drop what was validated after the step that the run goes on from; validate the model that it starts from."""
        step = state.global_step
        self._lines = [line for line in read_log(self._out / VALIDATION) if line["step"] <= step and step]
        self._processes.wait_for_everyone()
        if self._processes.is_main_process:
            for name in (VALIDATION, COMPLETIONS):
                keep_steps(self._out / name, step or -1)
        if not self._lines:
            self.run(control)

    def on_step_end(self, args: Arguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask for a validation, and for the step's line in the log before it."""
        if state.global_step % self._settings.eval_steps == 0 or state.global_step >= state.max_steps:
            control.should_evaluate = control.should_log = True

    def on_save(self, args: Arguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Let OUT/best lead to the best checkpoint."""
        best = self.best()
        if best is None or not self._processes.is_main_process:
            return
        link, name = self._out / BEST, f"checkpoint-{best['step']}"
        if (self._out / name).is_dir() and not (link.is_symlink() and link.readlink() == Path(name)):
            making = self._out / f".{BEST}.making"
            making.unlink(missing_ok=True)
            making.symlink_to(name)
            making.replace(link)

    # --- what ------------------------------------------------------------------------------------------------------

    def run(self, control: TrainerControl) -> dict[str, float]:
        """Answer and score the held-out samples, write it down, and ask for a checkpoint of the best model, or an end.

        Returns the measures as `eval_<name>`.
        """
        trainer, began = self._trainer, time.perf_counter()
        step = int(trainer.state.global_step)
        scored, lost = self._answered(trainer)
        measures, counts = measures_of(scored)
        line: LogLine = {
            "step": step,
            **measures,
            "process_reward": None if self._process is None else self._process.kind,
            "samples": len(scored),
            "left_out": len(self._held_out.left_out) + len(lost),
            "counts": counts,
            "seconds": time.perf_counter() - began,
        }
        self._lines.append(line)
        if self._processes.is_main_process:
            append(self._out / COMPLETIONS, as_lines({"step": step, **row} for row in scored).encode())
            append(self._out / VALIDATION, as_lines([line]).encode())
        self._judge(line, trainer.state, control)
        told = {f"eval_{name}": value for name, value in measures.items()}
        trainer.callback_handler.on_log(trainer.args, trainer.state, control, dict(told))
        trainer.callback_handler.on_evaluate(trainer.args, trainer.state, control, told)
        return told

    def best(self) -> LogLine | None:
        """Return the line of the best validation so far that a step came before; None where there is none."""
        return best_of([line for line in self._lines if line["step"]], self._settings.best)

    def merge_best(self, model: str) -> None:
        """Write what LoRA trained best as a model of its own, where that is not what it trained last.

        `model` is the one that the run started from. Raises InputError where it cannot be loaded.
        """
        best = self.best()
        step = int(self._trainer.state.global_step)
        folder = None if best is None else self._out / f"checkpoint-{best['step']}"
        discard(self._out / MERGED)  # of a run that this one goes on from
        if best is None or best["step"] == step or folder is None or not folder.is_dir():
            return
        frozen = next(part.dtype for part in self._trainer.model.parameters() if not part.requires_grad)
        base = load_model(model, precision="bf16" if frozen == torch.bfloat16 else "fp32")
        with whole_folder(self._out / MERGED) as making:
            save(PeftModel.from_pretrained(base, str(folder)).merge_and_unload(), self._processor, making)

    def record(self) -> dict[str, Any] | None:
        """Return what run.json says: the best checkpoint with its measure and value, and the value before step 1."""
        best = self.best()
        if best is None:
            return None
        measure = self._settings.best
        start = next((line.get(measure) for line in self._lines if not line["step"]), None)
        folder = f"checkpoint-{best['step']}"
        kept = folder if (self._out / folder).is_dir() else None
        return {"measure": measure, "step": best["step"], "value": best[measure], "at_start": start, "checkpoint": kept}

    def _answered(self, trainer: Any) -> tuple[list[Row], list[str]]:
        """Return the scored completions of all processes, and the samples that could not be asked."""
        own = trainer.accelerator.unwrap_model(trainer.model)
        model = own.get_base_model() if hasattr(own, "get_base_model") else own  # LoRA's layers are in it
        asked = self._held_out.requests(self._processes.process_index, self._processes.num_processes)
        with as_it_was(model):
            told = self._how()
            writer = LoadedModel(model, self._processor, told, device=model.device, name=self._settings.short_stage())
            made = [one for batch in writer.predict(asked) for one in batch]
        scored, lost = score_rows(self._rows, made, self._process)
        if self._processes.num_processes > 1:
            scored, lost = gather_object(scored), gather_object(lost)
        return sorted(scored, key=lambda row: str(row["sample_id"])), lost

    def _how(self) -> PredictSettings:
        settings = self._settings
        longest = self._held_out.longest
        if isinstance(settings, GRPOSettings):
            most, at_once = settings.max_completion_length, settings.rollout_batch or settings.device_batch
        else:
            most = 2 * longest + _SPARE if longest else PredictSettings().max_completion_tokens
            at_once = 2 * settings.device_batch  # nothing is kept for a backward pass
        return PredictSettings(max_completion_tokens=most, batch=at_once, image_side=settings.image_side)

    def _judge(self, line: LogLine, state: TrainerState, control: TrainerControl) -> None:
        """Keep the best model, and say or end it where nothing gets better any more."""
        measure, best = self._settings.best, self.best()
        if best is line:
            control.should_save = True
            state.best_global_step, state.best_metric = best["step"], best[measure]
        of_all = best_of(self._lines, measure)
        if of_all is None:
            return
        since = len(self._lines) - 1 - self._lines.index(of_all)
        patience = self._settings.patience
        ends = patience is not None and since >= patience and line["step"] < state.max_steps
        if ends:
            control.should_training_stop = control.should_save = True
        if not self._processes.is_main_process:
            return
        say(words(line, of_all, measure))
        if ends:
            say(f"the run ends at step {line['step']:,}: held-out {measure} has not risen for {since} validations")
        elif since >= STALLED and self._warned_of != of_all["step"]:
            self._warned_of = of_all["step"]
            say(stalled(line, of_all, measure, since))


def process_of(settings: TrainSettings, rewards: Sequence[WeightedReward]) -> ProcessReward | None:
    """Return the process reward that validation measures: of the run's kind and by its judge; for SFT, grounded.

    It is one of its own, so that what validation asks is not counted as the training's.
    """
    if not isinstance(settings, GRPOSettings):
        return GroundedReward()
    found = next((reward.function for reward in rewards if reward.asked == "process"), None)
    return type(found)(found.judge) if isinstance(found, ProcessReward) else None


def best_of(lines: Sequence[LogLine], measure: str) -> LogLine | None:
    """Return the line with the largest value of a measure, the first of equal ones."""
    told = [line for line in lines if line.get(measure) is not None]
    return max(told, key=lambda line: float(line[measure]), default=None)


def words(line: Mapping[str, Any], best: Mapping[str, Any], measure: str) -> str:
    """Say a validation in words: its means, and the best so far."""
    told = ", ".join(
        f"{name} {line[name]:.3f}" for name in ("accuracy", "radrscore", "process") if line.get(name) is not None
    )
    left = f"; {line['left_out']} left out" if line["left_out"] else ""
    return (
        f"held out, step {line['step']:,}: {told} ({line['samples']} samples{left}; best {measure} {best[measure]:.3f} "
        f"at step {best['step']:,})"
    )


def stalled(line: Mapping[str, Any], best: Mapping[str, Any], measure: str, since: int) -> str:
    """Return a warning where a measure has not risen for so many validations."""
    now, then = line.get(measure), float(best[measure])
    fell = now is not None and then - float(now) >= FALLEN
    what = f"fell from {then:.3f} to {now:.3f}" if fell else f"stands still at {then:.3f}"
    return (
        f"held-out {measure} {what} since step {best['step']:,}, over {since} validations: the run may learn nothing "
        "more that holds for others; end it by itself with --set patience=..., or lower learning_rate"
    )


@contextmanager
def as_it_was(model: Any) -> Iterator[None]:
    """Lend a model in training to whoever writes with it, and put back what that changes; random numbers, too."""
    training, generation = model.training, model.generation_config
    positions = [(part, part.rope_deltas) for part in model.modules() if hasattr(part, "rope_deltas")]
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    model.eval()
    try:
        yield
    finally:
        model.train(training)
        model.generation_config = generation
        for part, deltas in positions:
            part.rope_deltas = deltas
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if on_gpus:
            torch.cuda.set_rng_state_all(on_gpus)
