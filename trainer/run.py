"""A training from start to end: data, checks, model, steps, record. What `cxr train sft` and `cxr train grpo` call.

In a distributed run each process comes through here; the first of them alone writes.
"""

import dataclasses
import logging
import os
import shutil
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets.utils.logging import disable_progress_bar

from miner.benchmark.settings import Existing
from miner.errors import CxrError, InputError
from miner.settings import JudgeSettings
from trainer.curves import write_curves
from trainer.data import Source, TrainingData, ask_to_reason, find_source, load_rows, patients, write_rejects
from trainer.exact import check_same_run, last_checkpoint
from trainer.families import load_model, load_processor, save
from trainer.logs import LastBatch, TrainingLog
from trainer.process_reward import ProcessReward, open_process_reward
from trainer.rewards import load_ratescore, reward_functions
from trainer.run_record import RunRecord, read_record
from trainer.samples import RewardWatch, SampleTable
from trainer.settings import GRPOSettings, SFTSettings, TrainSettings

FINAL = "final"
ADAPTER = "adapter"
REJECTS = "rejects.jsonl"

# What may differ between a run and its resumption: none of it changes a loss.
_FREE = frozenset({"save_steps", "keep_checkpoints", "log_steps", "workers", "trackers", "threads", "sample_steps"})


@dataclass(frozen=True)
class Job:
    """One stage, as the user asked for it."""

    settings: SFTSettings | GRPOSettings
    model: str
    data: Path
    output: Path
    preset: str
    existing: Existing = Existing.STOP
    store: Path = Path("cxr.duckdb")
    show_text: bool = False

    @property
    def stage(self) -> str:
        """`sft` or `grpo`."""
        return self.settings.stage.rpartition(" ")[2]

    @property
    def run_settings(self) -> dict[str, Any]:
        """What makes two runs the same, as JSON values."""
        told = self.settings.model_dump(mode="json")
        return {"model": self.model, **{name: value for name, value in told.items() if name not in _FREE}}


@dataclass(frozen=True)
class TrainResult:
    """How a training ended."""

    final: Path
    steps: int
    rejects: int
    log: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    curves: tuple[Path, ...] = ()


def process_count() -> int:
    """Give how many processes train together: accelerate tells each of them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Tell whether this process is the one that writes."""
    return os.environ.get("RANK", "0") == "0"


def accumulation(settings: SFTSettings | GRPOSettings, processes: int) -> int:
    """Give how many batches a process adds up before a step; raises InputError where they cannot make a global batch."""
    each = settings.global_batch * (settings.group if isinstance(settings, GRPOSettings) else 1)
    at_once = settings.device_batch * processes
    if each % at_once:
        raise InputError(
            f"a step has {each:,} completions, which {processes} processes cannot make of {settings.device_batch} each; "
            "choose a device_batch that divides it (--set device_batch=...)"
        )
    return each // at_once


def steps_of(settings: SFTSettings | GRPOSettings, rows: int) -> int:
    """Give how many steps a run has: as many as told, or else once over the rows."""
    return settings.steps or max(1, rows // settings.global_batch)


def train(job: Job) -> TrainResult:
    """Train a stage, or go on with it; what is left in `job.output` is described in docs/training.md.

    Raises CxrError, with one sentence, for everything that a user can mend: see the module `miner.errors`.
    """
    quiet_libraries()
    checkpoint = prepare_output(job)
    data = prepare_data(job)
    settings = job.settings
    steps = steps_of(settings, len(data.rows))
    processes = process_count()
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    transformers.set_seed(settings.seed)
    processor = load_processor(job.model, min_pixels=settings.min_pixels, max_pixels=settings.max_pixels)
    record = RunRecord.start(
        job.output,
        stage=job.stage,
        settings=job.run_settings | settings.model_dump(mode="json"),
        preset=job.preset,
        data=data.source.folder,
        model=job.model,
        resumed_from=None if checkpoint is None else int(checkpoint.name.rpartition("-")[2]),
        extra={"samples": len(data.rows), "rejects": len(data.rejects)},
    ) if is_first() else None  # fmt: skip
    write_rejects(data.rejects, job.output / REJECTS)
    last_batch = LastBatch()
    ended = "stopped by an error that is not ours"
    trainer: Any = None
    try:
        with ExitStack() as stack:
            model = load_model(job.model, precision=settings.precision, attention=settings.attention)
            batches = accumulation(settings, processes)
            if isinstance(settings, SFTSettings):
                trainer, log = _sft(job, settings, model, processor, data, last_batch, batches, steps)
            else:
                process = _process_reward(job, settings, data, stack)
                trainer, log = _grpo(job, settings, model, processor, data, last_batch, batches, steps, process)
            stack.enter_context(log)
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        _save_final(trainer, processor, job)
        ended = "done"
    except KeyboardInterrupt:
        ended = "interrupted"
        raise
    except CxrError as error:
        ended = str(error)
        raise
    finally:
        done = 0 if trainer is None else int(trainer.state.global_step)
        if record is not None:
            record.end(exit_reason=ended, steps_done=done)
    curves = write_curves(job.output) if is_first() else ()
    return TrainResult(job.output / FINAL, steps, len(data.rejects), list(trainer.state.log_history), curves)


def prepare_output(job: Job) -> Path | None:
    """Make the output folder, or empty it, or find the checkpoint to go on from, as `existing` says.

    Raises InputError where the folder is used and nobody said what to do, or where it holds another run.
    """
    output = job.output
    used = output.is_dir() and any(output.iterdir())
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file; expected a folder to write to")
    if not output.parent.is_dir():
        raise InputError(f"the folder {output.parent} for {output.name} does not exist; create it or give another -o")
    output.mkdir(exist_ok=True)
    if not used or not is_first():
        return last_checkpoint(output) if job.existing is Existing.RESUME else None
    record = read_record(output)
    if not record:
        raise InputError(f"{output} exists and is no run of cxr; it is left alone: give another -o")
    if job.existing is Existing.STOP:
        raise InputError(
            f"{output} holds a run ({record.get('exit')}, {record.get('steps_done')} steps); choose "
            "--existing resume, --existing replace, or another -o"
        )
    if job.existing is Existing.REPLACE:
        shutil.rmtree(output)
        output.mkdir()
        return None
    before = {name: value for name, value in record["settings"].items() if name not in _FREE}
    check_same_run(job.run_settings, before, output)
    return last_checkpoint(output)


def prepare_data(job: Job) -> TrainingData:
    """Load the rows of the stage; raises InputError for data that cannot be trained on."""
    settings = job.settings
    source = find_source(job.data, job.stage, job.output / "data", settings)
    data = load_rows(source, settings, job.output / "cache")
    if isinstance(settings, GRPOSettings) and settings.ask == "reasoning":
        data = dataclasses.replace(data, rows=ask_to_reason(data.rows))
    if len(data.rows) < settings.global_batch:
        raise InputError(
            f"{source.folder} gives {len(data.rows):,} samples to train on, and one step takes "
            f"{settings.global_batch:,}; lower it with --set global_batch=..."
        )
    return data


def _sft(
    job: Job,
    settings: SFTSettings,
    model: Any,
    processor: Any,
    data: TrainingData,
    last_batch: LastBatch,
    batches: int,
    steps: int,
) -> tuple[Any, TrainingLog]:
    from trainer.sft import sft_config, sft_trainer  # noqa: PLC0415 - TRL's two halves load in seconds each

    config = sft_config(settings, job.output, batches, steps)
    made = sft_trainer(model, processor, data.rows, settings, config)
    made.last_batch = last_batch
    log = TrainingLog(job.output, last_batch, name="sft")
    log.attach(made)
    return made, log


def _grpo(
    job: Job,
    settings: GRPOSettings,
    model: Any,
    processor: Any,
    data: TrainingData,
    last_batch: LastBatch,
    batches: int,
    steps: int,
    process: ProcessReward | None,
) -> tuple[Any, TrainingLog]:
    from trainer.grpo import grpo_config, grpo_trainer  # noqa: PLC0415

    scorer = None if settings.ratescore is None else load_ratescore(settings.ratescore)
    functions = reward_functions(process, scorer=scorer)
    weights = dict(zip((function.__name__ for function in functions), settings.reward_weights, strict=False))
    samples = SampleTable(
        job.output, num_generations=settings.group, weights=weights, show_text=job.show_text, write=is_first()
    )
    watch = RewardWatch(last_batch, samples)
    config = grpo_config(settings, job.output, batches, steps, process_count())
    watched = [watch.watch(function) for function in functions]
    made = grpo_trainer(model, processor, data.rows, settings, config, watched)
    spent = None if process is None else watch.spent
    log = TrainingLog(job.output, last_batch, name="grpo", process_seconds=spent, samples=samples)
    log.attach(made)
    return made, log


def _process_reward(
    job: Job, settings: GRPOSettings, data: TrainingData, stack: ExitStack
) -> ProcessReward | None:
    """Open the judge of the process reward for as long as the run lasts; None where there is none."""
    if settings.process_reward == "none":
        return None
    judge = JudgeSettings.resolve(job.store, judge=settings.process_reward)
    opened = open_process_reward(
        judge,
        job.output,
        licences=[data.source.licence],
        process_index=int(os.environ.get("RANK", "0")),
        processes=process_count(),
    )
    return stack.enter_context(opened)


def _save_final(trainer: Any, processor: Any, job: Job) -> None:
    """Write the trained model as one folder; LoRA weights are merged into it, and kept apart beside it."""
    final = job.output / FINAL
    if isinstance(job.settings, TrainSettings) and job.settings.lora_rank:
        if is_first():
            own = trainer.accelerator.unwrap_model(trainer.model)
            own.save_pretrained(job.output / ADAPTER)
            save(own.merge_and_unload(), processor, final)
        return
    trainer.save_model(str(final))
    if is_first():
        (final / "training_args.bin").unlink(missing_ok=True)


def _held_out(source: Source) -> set[str]:
    return patients(source, "validate") | patients(source, "test")


def quiet_libraries() -> None:
    """Keep what libraries say to their own developers off the user's terminal; errors still show."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    disable_progress_bar()
    logging.getLogger("trl").setLevel(logging.ERROR)
    logging.getLogger("accelerate").setLevel(logging.ERROR)

