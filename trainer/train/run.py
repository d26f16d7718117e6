"""A training from start to end: data, checks, model, steps, record. What `cxr train sft` and `cxr train grpo` call.

In a distributed run each process comes through here; the first of them alone writes.
"""

import contextlib
import dataclasses
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
import transformers
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from datasets.utils.logging import disable_progress_bar
from pydantic import ValidationError

from cxr.miner.benchmark.settings import Existing
from cxr.miner.judge.settings import JudgeSettings
from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import CxrError, InputError, SettingsError
from cxr.miner.kit.files import discard, settle, whole_folder
from cxr.prompts.instructions import recorded_instructions
from cxr.trainer.models.families import check_weights, load_model, load_processor, no_programs, save
from cxr.trainer.models.offline import no_look_ups
from cxr.trainer.reward.protocol import RewardRun
from cxr.trainer.reward.registry import WeightedReward, open_rewards
from cxr.trainer.train.checks import check_reference_findings, run_checks, show_checks, spread
from cxr.trainer.train.curves import write_curves
from cxr.trainer.train.data import TrainingData, ask_to_reason, find_export, load_rows, patients, write_rejects
from cxr.trainer.train.exact import check_same_run, demand_only_ours, last_checkpoint
from cxr.trainer.train.held_out import HeldOut, find_held_out
from cxr.trainer.train.launch import accumulation, lacking_rollouts, rendezvous
from cxr.trainer.train.logs import TrainingLog
from cxr.trainer.train.memory import lower_memory, weights_precision
from cxr.trainer.train.run_record import RECORD, RunRecord, read_record, start_facts
from cxr.trainer.train.samples import LastBatch, RewardWatch, SampleTable
from cxr.trainer.train.settings import NOBODY, GRPOSettings, SFTSettings
from cxr.trainer.train.trl_settings import told_to_trl
from cxr.trainer.train.validation import Validation

FINAL = "final"
ADAPTER = "adapter"
LEFT_OUT = "rejects.jsonl"

# What may differ between a run and its resumption: none of it changes a loss.
_FREE = frozenset(
    {"save_steps", "keep_checkpoints", "log_steps", "workers", "trackers", "threads"}
    | {"eval_steps", "patience", "image_cache"}
)


@dataclass(frozen=True)
class Training:
    """One stage, as the user asked for it."""

    settings: SFTSettings | GRPOSettings
    model: str
    data: Path
    output: Path
    preset: str
    existing: Existing = Existing.STOP
    store: Path = Path("cxr.duckdb")
    show_text: bool = False

    def recorded(self) -> dict[str, Any]:
        """Return the settings as JSON values, with the model that the run starts from."""
        return {"model": self.model, **self.settings.model_dump(mode="json")}


@dataclass(frozen=True)
class Trained:
    """How a training ended."""

    final: Path
    steps: int
    rejects: int
    curves: Path | None = None


def train(training: Training) -> Trained:
    """Train a stage, or go on with it; what is left in its output is described in docs/training.md.

    Raises a CxrError, with one sentence, for everything that a user can mend.
    """
    with no_look_ups(training.model):
        quiet_libraries()
        return _train(training)


def _train(training: Training) -> Trained:
    settings, output = training.settings, training.output
    # What is mistyped is found before there is a folder for the run.
    for sentence in lacking_rollouts(settings):
        raise SettingsError(sentence)
    processor = load_processor(training.model, min_pixels=settings.min_pixels, max_pixels=settings.max_pixels)
    check_weights(training.model)
    timeout = timedelta(hours=settings.timeout_hours)
    processes = PartialState(cpu=not torch.cuda.is_available(), timeout=timeout, **rendezvous())
    is_first = processes.is_main_process
    with no_orphan(output) if is_first else contextlib.nullcontext():
        checkpoint, data = prepare(training, processes)
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    transformers.set_seed(settings.seed)
    held_out = find_held_out(data.source, settings, training.preset, processor, is_first=is_first)
    record = _begin(training, data, held_out, checkpoint) if is_first else None
    trainer: Any = None
    rewards: Sequence[WeightedReward] = ()
    ended = "an error that is none of ours"
    try:
        with contextlib.ExitStack() as stack:
            if isinstance(settings, GRPOSettings):
                rewards = stack.enter_context(open_rewards(settings.weights(), _reward_run(training, data, processes)))
            stack.enter_context(lower_memory(settings))
            precision = weights_precision(
                settings.precision,
                parallel=settings.parallel,
                processes=processes.num_processes,
                lora_rank=settings.lora_rank,
            )
            model = load_model(training.model, precision=precision, attention=settings.attention)
            record = record and record.noted(model=start_facts(training.model))  # a hub's model lies here only now
            if settings.freeze_vision:
                model.model.visual.requires_grad_(requires_grad=False)
            _check(data, processor, model.config, settings, rewards, processes)
            with told_to_trl(settings):
                trainer, log = _trainer(training, model, processor, data, rewards, processes)
            stack.enter_context(log)
            if held_out is not None:
                Validation(output, held_out, processor, settings, rewards, processes).attach(trainer)
            if checkpoint is not None and trainer.is_deepspeed_enabled:
                demand_only_ours(checkpoint)
            with no_programs(checkpoint or training.model):
                trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
            _save_final(trainer, processor, training, is_first=is_first)
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
            record.end(exit_reason=ended, steps_done=done, extra=_told(trainer, rewards))
    return Trained(output / FINAL, done, len(data.rejects), write_curves(output) if is_first else None)


def _told(trainer: Any, rewards: Sequence[WeightedReward]) -> dict[str, Any]:
    """Return what run.json says at the end: of rewards, of groups answered again, and of the best checkpoint."""
    told: dict[str, Any] = {"rewards": {reward.__name__: reward.record() for reward in rewards}} if rewards else {}
    if hasattr(trainer, "plan"):
        told["groups"] = dict(trainer.plan.counts)
    validation: Validation | None = getattr(trainer, "validation", None)
    return told if validation is None else {**told, "best": validation.record()}


@contextlib.contextmanager
def no_orphan(output: Path) -> Iterator[None]:
    """Take away the folder of a run that ends before it has a record, where it was not there before."""
    was_there = output.exists()
    try:
        yield
    except BaseException:
        if not was_there and output.is_dir() and not (output / RECORD).exists():
            discard(output)
        raise


def prepare(training: Training, processes: PartialState) -> tuple[Path | None, TrainingData]:
    """Return the checkpoint to go on from and the data; the first process looks at the images for all others."""
    if processes.num_processes == 1:
        return prepare_output(training), prepare_data(training)
    found: list[Any] = [None]
    if processes.is_main_process:
        checkpoint, data = prepare_output(training), prepare_data(training)
        found = [data.rejects]
    broadcast_object_list(found)  # and nobody reads the folder before it is made
    if not processes.is_main_process:
        checkpoint, data = prepare_output(training, is_first=False), prepare_data(training, rejects=found[0])
    return checkpoint, data


def prepare_output(training: Training, *, is_first: bool = True) -> Path | None:
    """Make the output folder, or empty it, or find the checkpoint to go on from, as `existing` says.

    Raises InputError where the folder is used and nobody said what to do, or where it holds another run.
    """
    output = training.output
    if not is_first:
        return last_checkpoint(output) if training.existing is Existing.RESUME else None
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file; expected a folder to write to")
    if not output.absolute().parent.is_dir():
        raise InputError(f"the folder {output.parent} for {output.name} does not exist; create it or give another -o")
    output.mkdir(exist_ok=True)
    if not any(output.iterdir()):
        return None
    record = read_record(output)
    if not record:
        raise InputError(f"{output} exists and is no run of cxr; it is left alone: give another -o")
    if training.existing is Existing.STOP:
        raise InputError(
            f"{output} holds a run ({record.get('exit')}, {record.get('steps_done')} steps); choose "
            "--existing resume, --existing replace, or another -o"
        )
    if training.existing is Existing.REPLACE:
        discard(output)
        output.mkdir()
        return None
    told = record["settings"]
    with contextlib.suppress(ValidationError):  # what an earlier version wrote, in today's names
        settings = training.settings.as_recorded(told)
        told = dataclasses.replace(training, model=told["model"], settings=settings).recorded()
    now, before = (
        {name: value for name, value in recorded.items() if name not in _FREE}
        for recorded in (training.recorded(), told)
    )
    check_same_run(now, before, output)
    # GRPO measures KL from what it started with, and LoRA's weights are added to that.
    weights = (record.get("model") or {}).get("weights_sha256")
    if weights and Path(training.model).is_dir():
        now, before = (
            {"start weights": digest(*sorted(hashes.items()), length=12)}
            for hashes in (start_facts(training.model)["weights_sha256"], weights)
        )
        check_same_run(now, before, output)
    return last_checkpoint(output)


def prepare_data(training: Training, *, rejects: list[dict[str, str]] | None = None) -> TrainingData:
    """Load the rows of the stage; raises InputError for data that cannot be trained on, or go on with."""
    settings = training.settings
    source = find_export(training.data, training.output / "data", settings)
    before = read_record(training.output).get("data")
    if before is not None:  # a run that goes on
        asks, asked = source.instructions, recorded_instructions(before)
        if asks.sha256 == asked.sha256:  # by whatever name
            asks = asked
        check_same_run(
            {"data": source.note["fingerprint"], "instructions": asks.label},
            {"data": before["fingerprint"], "instructions": asked.label},
            training.output,
        )
    data = load_rows(source, settings, training.output / "cache", rejects=rejects)
    if isinstance(settings, GRPOSettings) and settings.ask == "reasoning":
        data = dataclasses.replace(data, rows=ask_to_reason(data.rows, source.instructions))
    if len(data.rows) < settings.global_batch:
        raise InputError(
            f"{source.folder} gives {len(data.rows):,} samples to train on, and one step takes "
            f"{settings.global_batch:,}; lower it with --set global_batch=..."
        )
    return data


def quiet_libraries() -> None:
    """Keep what libraries say to their own developers off the user's terminal, and on this machine; errors still show.

    `DO_NOT_TRACK` is for what is imported from here on and for worker processes.
    """
    os.environ["DO_NOT_TRACK"] = "1"
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    disable_progress_bar()
    logging.getLogger("trl").setLevel(logging.ERROR)
    logging.getLogger("accelerate").setLevel(logging.ERROR)


def _begin(training: Training, data: TrainingData, held_out: HeldOut | None, checkpoint: Path | None) -> RunRecord:
    asked = None if held_out is None else {"samples": len(held_out.rows), "left_out": dict(held_out.left_out)}
    write_rejects(data.rejects, training.output / LEFT_OUT)
    return RunRecord.start(
        training.output,
        stage=training.settings.short_stage(),
        settings=training.recorded(),
        preset=training.preset,
        data=data.source.facts(),
        model=training.model,
        resumed_from=None if checkpoint is None else int(checkpoint.name.rpartition("-")[2]),
        extra={"samples": len(data.rows), "rejects": len(data.rejects), "validation": asked},
    )


def _check(
    data: TrainingData,
    processor: Any,
    config: Any,
    settings: SFTSettings | GRPOSettings,
    rewards: Sequence[WeightedReward],
    processes: PartialState,
) -> None:
    """Run the checks before step 1, in the first process; the others would find the same."""
    if processes.num_processes > 1:
        data.require_images()
    if not processes.is_main_process:
        return
    results = run_checks(
        data.rows,
        processor,
        max_length=settings.max_length,
        max_completion_length=settings.max_completion_length if isinstance(settings, GRPOSettings) else None,
        held_out=patients(data.source, "validate") | patients(data.source, "test"),
        rewards=rewards,
        config=config,
        image_side=settings.image_side,
    )
    if isinstance(settings, GRPOSettings) and settings.process_reward == "grounded" and "process" in settings.weights():
        results.append(check_reference_findings(spread(data.rows)))
    show_checks(results)


def _reward_run(training: Training, data: TrainingData, processes: PartialState) -> RewardRun:
    """Return what the rewards may need."""
    settings: Any = training.settings
    kind = settings.process_reward
    return RewardRun(
        training.output,
        JudgeSettings.resolve(training.store, judge=None if kind == NOBODY else settings.process_judge),
        process_reward="factuality" if kind == NOBODY else kind,
        ratescore=settings.ratescore,
        by_steps=settings.credit == "step",
        licences=[data.source.licence],
        process_index=processes.process_index,
        processes=processes.num_processes,
    )


def _trainer(
    training: Training,
    model: Any,
    processor: Any,
    data: TrainingData,
    rewards: Sequence[WeightedReward],
    processes: PartialState,
) -> tuple[Any, TrainingLog]:
    """Return TRL's trainer for the stage, with the log attached to it."""
    settings, output, last_batch = training.settings, training.output, LastBatch()
    steps, batches = settings.steps_over(len(data.rows)), accumulation(settings, processes.num_processes)
    if isinstance(settings, SFTSettings):
        from cxr.trainer.train.sft import sft_config, sft_trainer  # noqa: PLC0415 - TRL's two halves load in seconds each

        made: Any = sft_trainer(model, processor, data.rows, settings, sft_config(settings, output, batches, steps))
        made.last_batch = last_batch
        log = TrainingLog(output, last_batch, name="sft")
    else:
        from cxr.trainer.train.groups import GroupPlan  # noqa: PLC0415
        from cxr.trainer.train.grpo import grpo_config, grpo_trainer  # noqa: PLC0415

        samples = SampleTable(
            output,
            show_text=training.show_text,
            write=processes.is_main_process,
        )
        watch = RewardWatch(last_batch, samples)
        config = grpo_config(settings, output, batches, steps, processes.num_processes)
        process = next((reward for reward in rewards if reward.asked == "process"), None)
        plan = GroupPlan(resample=settings.resample, told=watch.used)
        if settings.credit == "step" and process is not None:
            plan = dataclasses.replace(plan, process=process.__name__, steps=process.steps)
        watched = [watch.watch(reward) for reward in rewards]
        made = grpo_trainer(model, processor, data.rows, settings, config, watched, plan)
        spent = None if process is None else lambda: process.seconds
        log = TrainingLog(output, last_batch, name="grpo", process_seconds=spent, samples=samples)
    log.attach(made)
    return made, log


def _save_final(trainer: Any, processor: Any, training: Training, *, is_first: bool) -> None:
    """Write the trained model as one folder; LoRA weights are merged into it, and kept apart beside it."""
    final = training.output / FINAL
    if training.settings.lora_rank:
        own = trainer.accelerator.unwrap_model(trainer.model)
        if is_first:
            own.save_pretrained(training.output / ADAPTER)
            with whole_folder(final) as making:
                save(own.merge_and_unload(), processor, making)
            if trainer.validation is not None:
                trainer.validation.merge_best(training.model)
        return
    making = training.output / f".{FINAL}.making"  # all processes have a part in it: no process's id can name it
    trainer.save_model(str(making))
    if is_first:
        (making / "training_args.bin").unlink(missing_ok=True)
        settle(making, final)
