"""What one sees of a training: OUT/log.jsonl with a line per logged step, a progress line, a stop at the first NaN.

Give the trainer `logging_nan_inf_filter=False` (transformers would hide a NaN behind the mean of the others) and
`disable_tqdm=True`.
"""

# ruff: noqa: ARG002 - transformers calls every method of a callback with the same arguments

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, ProgressCallback, TrainerCallback, TrainerControl, TrainerState
from transformers import TrainingArguments as Arguments

from cxr.miner.kit.console import Display, say
from cxr.miner.kit.errors import CxrError, SettingsError
from cxr.miner.kit.files import append
from cxr.trainer.train.gaming import gaming
from cxr.trainer.train.run_record import LOG, LogLine, keep_steps
from cxr.trainer.train.samples import LastBatch, SampleTable

REPORTERS = ("tensorboard", "wandb", "trackio")
NETWORKED = ("wandb", "trackio")
"""These send losses, settings and the machine's name away (trackio only if told to): never on unless asked for."""


class TrainingLog(TrainerCallback, AbstractContextManager["TrainingLog"]):  # type: ignore[misc, unused-ignore]
    """Writes OUT/log.jsonl, shows progress on stderr, and stops a run whose loss is no number.

    A line holds what transformers and TRL log, under their names (`step`, `epoch`, `loss`, `grad_norm`,
    `learning_rate`, `rewards/<name>/mean`, `kl`, `entropy`, `completions/mean_length`, ...), and of ours
    `step_seconds` (wall-clock time of a step, without saving and validation), `tokens_per_s`, `num_tokens` counted on
    over a resume, and `process_reward_share` (of the step's time, 0 to 1) where `process_seconds` gives the seconds
    that the process reward has taken so far. What is no number is null.

    Used as a context manager around `trainer.train()`, it leaves the terminal as it found it, whatever happens.
    """

    def __init__(
        self,
        out: Path,
        last_batch: LastBatch,
        *,
        name: str = "train",
        process_seconds: Callable[[], float] | None = None,
        samples: SampleTable | None = None,
    ) -> None:
        self.path = out / LOG
        self.last_batch = last_batch
        self._show = Display(name, counts=False)
        self._from, self._began = 0, 0.0
        self._process_seconds = process_seconds or (lambda: 0.0)
        self._has_process_reward = process_seconds is not None
        self._samples = samples
        self._mark = self._busy = self._process_before = 0.0
        self._lines: list[LogLine] = []
        self._has_warned = False
        self._steps = self._tokens_offset = self._tokens_before = 0

    def __exit__(self, *_: object) -> None:
        self._show.stop()

    def attach(self, trainer: Any) -> None:
        """Take the place of transformers' own progress bar and printed dictionaries."""
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        trainer.add_callback(self)

    def on_train_begin(self, args: Arguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Drop the lines after the step that the run goes on from, so that the log has each step once."""
        kept: list[LogLine] = []
        if state.is_world_process_zero:
            kept = keep_steps(self.path, state.global_step)
            if self._samples is not None:
                self._samples.resume(state.global_step)
        # SFTTrainer counts tokens from 0 again after a resume, GRPOTrainer goes on counting.
        self._tokens_before = int(state.num_input_tokens_seen or 0)
        self._tokens_offset = 0 if self._tokens_before or not kept else int(kept[-1].get("num_tokens") or 0)
        self._lines = list(kept)
        self._busy, self._steps = 0.0, 0
        self._process_before = self._process_seconds()
        self._mark = time.perf_counter()
        if state.is_world_process_zero:
            self._from, self._began = state.global_step, time.monotonic()
            self._show.start(state.global_step, state.max_steps)

    def on_step_end(self, args: Arguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Add up a step's time; log before a checkpoint is written, so that none is written after a NaN."""
        now = time.perf_counter()
        self._busy += now - self._mark
        self._steps += 1
        self._mark = now
        if control.should_save:
            control.should_log = True

    def on_save(self, args: Arguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Leave the time of saving out of the next step."""
        self._mark = time.perf_counter()

    def on_evaluate(self, args: Arguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Leave the time of a validation out of it, too, and one before the first step out of the time that is left."""
        self._mark = time.perf_counter()
        if state.global_step == self._from:
            self._began = time.monotonic()

    def on_log(
        self, args: Arguments, state: TrainerState, control: TrainerControl, logs: LogLine | None = None, **_: Any
    ) -> None:
        """Write the line of a step; raises CxrError where the loss, or the gradient, is no number."""
        if logs is None or "loss" not in logs:
            return  # the summary at the end, which run.json holds
        line = {"step": state.global_step, **logs, **self._measured(logs)}
        bad = _no_number(logs, scaled=bool(args.fp16))
        if bad is not None:
            line.update(stopped=f"{bad} is no number", sample_ids=list(self.last_batch.sample_ids))
        if state.is_world_process_zero:
            append(self.path, (json.dumps({key: _finite(value) for key, value in line.items()}) + "\n").encode())
        if bad is not None:
            self._show.stop()
            raise CxrError(
                f"the {bad} is no number at step {state.global_step} ({self.last_batch.words()}); look at these "
                "samples, or resume from the last checkpoint with a smaller step, e.g. --set learning_rate=..."
            )
        self._lines.append({key: value for key, value in line.items() if key.startswith("completions/")})
        if state.is_world_process_zero:
            self._warn()
            done, total = state.global_step, state.max_steps
            new = done - self._from
            left = (time.monotonic() - self._began) / new * (total - done) if new else None
            self._show.update(done, total, words(line, total, left), last=done >= total)
            if self._samples is not None:
                self._samples.show()

    def on_train_end(self, args: Arguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Take the progress line away."""
        self._show.stop()

    def _warn(self) -> None:
        """Say once that a run looks like one that games its reward."""
        warning = None if self._has_warned else gaming(self._lines)
        if warning is not None:
            self._has_warned = True
            say(warning)

    def _measured(self, logs: Mapping[str, Any]) -> LogLine:
        """Return what we add to the line of a step, for the steps since the last line."""
        steps, busy = max(self._steps, 1), self._busy
        self._steps, self._busy = 0, 0.0
        found: LogLine = {"step_seconds": busy / steps}
        if "num_tokens" in logs:
            tokens = int(logs["num_tokens"])
            new, self._tokens_before = tokens - self._tokens_before, tokens
            found["num_tokens"] = tokens + self._tokens_offset
            found["tokens_per_s"] = new / busy if busy and new >= 0 else None
        if self._has_process_reward:
            spent = self._process_seconds()
            found["process_reward_share"] = (spent - self._process_before) / busy if busy else None
            self._process_before = spent
        return found


def words(line: Mapping[str, Any], total: int, seconds_left: float | None) -> str:
    """Say a line of the log in words: step, loss, rewards by name, tokens a second, time that remains."""
    parts = [f"step {line['step']:,} of {total:,}"]
    if isinstance(line.get("loss"), int | float):
        parts.append(f"loss {line['loss']:.4g}")
    for key, value in line.items():
        if key.startswith("rewards/") and key.endswith("/mean") and isinstance(value, int | float):
            parts.append(f"{key.split('/')[1]} {value:.3f}")
    if line.get("tokens_per_s"):
        parts.append(f"{line['tokens_per_s']:,.0f} tokens/s")
    if seconds_left is not None:
        minutes, seconds = divmod(round(seconds_left), 60)
        hours, minutes = divmod(minutes, 60)
        parts.append((f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}") + " left")
    return ", ".join(parts)


def report_to(wanted: Sequence[str]) -> list[str]:
    """Return what transformers' `report_to` is to be, of tensorboard (files in OUT), wandb, trackio and none.

    tensorboard is left out in silence where it is not installed: log.jsonl holds the same and more. wandb and trackio
    are used only if asked for. Raises SettingsError for another name, and for one of those two that is not installed.
    """
    names = [name for name in dict.fromkeys(wanted) if name != "none"]
    for name in names:
        if name not in REPORTERS:
            raise SettingsError(f"trackers: {name!r} is unknown; choose from {', '.join(REPORTERS)}, none")
        if name in NETWORKED and find_spec(name) is None:
            raise SettingsError(f"trackers: {name} is not installed; `pip install {name}`, or leave it out")
    for name in NETWORKED:
        if name in names:
            say(f"{name} gets losses, rewards and settings of this run, no text and no images; it may send them away")
    return [name for name in names if find_spec(name) is not None]


def _no_number(logs: Mapping[str, Any], *, scaled: bool) -> str | None:
    """Name what is no number; under fp16's loss scaling a gradient may overflow, and its step is skipped."""
    if _finite(logs.get("loss", 0.0)) is None:
        return "loss"
    if not scaled and _finite(logs.get("grad_norm", 0.0)) is None:
        return "gradient's norm"
    return None


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
