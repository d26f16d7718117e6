"""What a training will take before it starts: batch, steps, memory, and the exact command that starts its processes.

`plan` only computes; `launch` runs the plan's command. Processes are started by `accelerate launch` with one of the
files in `trainer/accelerate/`; each of them runs the same `cxr train` command line, and knows from its environment
that it is one of them.
"""

import dataclasses
import math
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cxr.miner.kit.console import say
from cxr.miner.kit.errors import SettingsError
from cxr.trainer.train.memory import GB, Memory, Parallel, Precision, estimate, shape_of, what_to_lower

CONFIGURATIONS = Path(__file__).parent / "accelerate"
PORT = 29500
MULTI = {"ddp", "zero2", "fsdp"}

TEXT_TOKENS = 512
"""Tokens of a sample's text in the memory estimate: the chat template, question, reasoning and answer of an SFT sample,
or the prompt of a GRPO one. Mined chains of the paper's length take about 300."""


@dataclass(frozen=True)
class Nodes:
    """Machines that train together, and which of them this is."""

    count: int = 1
    rank: int = 0
    host: str | None = None
    port: int = PORT


@dataclass(frozen=True)
class LaunchPlan:
    """How a training will run. `rows` and `global_batch` count samples (GRPO: prompts, each answered `group` times)."""

    stage: str
    rows: int
    processes: int
    nodes: Nodes
    parallel: Parallel
    device_batch: int
    accumulation: int
    global_batch: int
    group: int
    steps: int
    steps_per_epoch: int
    memory: Memory | None
    gpu_bytes: int | None
    command: tuple[str, ...] | None
    """What starts the processes; None where this process trains alone."""
    lacking: tuple[str, ...] = ()
    """What this machine lacks to run the plan, each as a sentence; a dry run says it, a run stops at the first."""
    advice: str = ""
    """What to lower where the memory is estimated to be short; an estimate stops no run."""

    @property
    def epochs(self) -> float:
        """Return how often the rows are gone through."""
        return self.steps / self.steps_per_epoch

    @property
    def fits(self) -> bool | None:
        """Return whether the estimate is below the memory of the smallest GPU; None where one of them is unknown."""
        return None if self.memory is None or self.gpu_bytes is None else self.memory.total <= self.gpu_bytes

    def described(self) -> list[tuple[str, str]]:
        """Return the plan as rows of a table: what, and how much of it."""
        unit = "samples" if self.group == 1 else f"prompts x {self.group} completions"
        local = self.processes // self.nodes.count
        where = (
            f"{self.processes} ({local} on each of {self.nodes.count} machines)" if self.nodes.count > 1 else f"{local}"
        )
        rows = [
            ("processes", f"{where}, {self.parallel}" if self.processes > 1 else "1"),
            (
                "global batch",
                f"{self.global_batch:,} {unit} = {self.device_batch} a device x {self.accumulation} accumulated x "
                f"{self.processes} processes" + ("" if self.group == 1 else f" / {self.group}"),
            ),
            ("rows", f"{self.rows:,}"),
            ("steps", f"{self.steps:,} ({self.epochs:.2f} epochs of {self.steps_per_epoch:,})"),
        ]
        if self.memory is not None:
            parts = ", ".join(f"{name} {size:.1f}" for name, size in self.memory.parts())
            has = "" if self.gpu_bytes is None else f" of {self.gpu_bytes / GB:.0f}"
            rows.append(("memory a GPU, estimated", f"{self.memory.total / GB:.1f}{has} GB: {parts}"))
        if self.fits is False:
            rows.append(("which is too much", self.advice))
        return rows

    @property
    def command_line(self) -> str:
        """Return the command as one types it."""
        return "runs in this process" if self.command is None else shlex.join(self.command)


def parse_nodes(count: int, rank: int, master: str | None) -> Nodes:
    """Read `--nnodes`, `--node-rank` and `--master HOST:PORT`; raises SettingsError where they do not fit together."""
    if count < 1 or not 0 <= rank < count:
        raise SettingsError(
            f"--node-rank {rank} of --nnodes {count} cannot be; the ranks of {count} are 0 to {count - 1}"
        )
    if master is None:
        if count > 1:
            raise SettingsError(
                f"--nnodes {count} needs --master HOST:PORT, the address of machine 0, on every machine"
            )
        return Nodes()
    host, sign, port = master.rpartition(":")
    if not sign:
        host, port = master, str(PORT)
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingsError(f"--master {master!r} cannot be read; expected HOST or HOST:PORT")
    return Nodes(count, rank, host, int(port))


def plan(
    *,
    stage: str,
    rows: int,
    global_batch: int,
    device_batch: int,
    gpus: int,
    group: int = 1,
    steps: int | None = None,
    parallel: Parallel = "none",
    precision: Precision = "bf16",
    nodes: Nodes = Nodes(),
    gpus_here: Sequence[int] = (),
    asked: bool = False,
    dry: bool = False,
    preset: str = "",
    memory: Memory | None = None,
    arguments: Sequence[str] = (),
) -> LaunchPlan:
    """Return the plan of a run on `gpus` processes, those of all machines.

    `gpus_here` are the bytes of this machine's GPUs; `asked` says that the user named the number of processes, which
    may then run on CPUs where there is no GPU. `arguments` are those of the `cxr` command line. A `dry` plan may be
    one for other machines: what this one lacks stands in `lacking`.
    Raises SettingsError where the processes, the batch or the rows do not fit together, or the machine does not.
    """
    if gpus % nodes.count:
        raise SettingsError(f"{gpus} GPUs cannot be divided among {nodes.count} machines; give --nproc GPUs of one")
    way = way_of(parallel, gpus)
    lacking = lacking_here(gpus // nodes.count, gpus_here, asked=asked, preset=preset, way=way)
    if lacking and not dry:
        raise SettingsError(lacking[0])
    accumulated = accumulation(global_batch * group, device_batch, gpus)
    if rows < global_batch:
        raise SettingsError(f"{rows:,} samples do not fill one batch of {global_batch:,}; lower --set global_batch=...")
    # SFT's last batch of an epoch may be small; GRPO leaves prompts out that do not fill one.
    per_epoch = rows // global_batch if group > 1 else math.ceil(rows / global_batch)
    return LaunchPlan(
        stage=stage,
        rows=rows,
        processes=gpus,
        nodes=nodes,
        parallel=way,
        device_batch=device_batch,
        accumulation=accumulated,
        global_batch=global_batch,
        group=group,
        steps=steps or max(1, rows // global_batch),
        steps_per_epoch=per_epoch,
        memory=memory,
        gpu_bytes=min(gpus_here) if gpus_here else None,
        command=None
        if gpus == 1
        else command(way, gpus, nodes, precision, arguments, on_gpus=not asked or bool(gpus_here)),
        lacking=lacking,
    )


def plan_of(
    settings: Any,
    *,
    model: str,
    rows: int,
    preset: str = "",
    nodes: Nodes = Nodes(),
    gpus_here: Sequence[int] = (),
    asked: bool = False,
    dry: bool = False,
    arguments: Sequence[str] = (),
    images: int = 2,
) -> LaunchPlan:
    """Return the plan of a stage's settings, memory estimate included.

    The estimate takes every sample for one of `images` images of `max_pixels`, and completions for as long as they may
    be: what a step can take, not what it takes on average.
    """
    targets = tuple(settings.lora_targets)
    shape = shape_of(model, lora_rank=settings.lora_rank, lora_targets=targets)
    side = math.isqrt(settings.max_pixels)
    completion = getattr(settings, "max_completion_length", 0)
    at_once = settings.device_batch * accumulation(
        settings.global_batch * getattr(settings, "group", 1), settings.device_batch, settings.gpus
    )
    rollout = (getattr(settings, "rollout_batch", None) or at_once) if completion else 0
    memory = estimate(
        shape,
        device_batch=settings.device_batch,
        tokens=images * shape.image_tokens(side, side) + TEXT_TOKENS + completion,
        patches=images * shape.patches(side, side),
        precision=settings.precision,
        parallel=way_of(settings.parallel, settings.gpus),
        processes=settings.gpus,
        lora=settings.lora_rank > 0,
        checkpointing=settings.gradient_checkpointing,
        # vLLM keeps a cache of its own size, which its own settings bound.
        rollout_batch=rollout if getattr(settings, "rollouts", "") == "transformers" else 0,
        reference=getattr(settings, "kl", 0.0) > 0,
    )
    made = plan(
        stage=settings.stage.rpartition(" ")[2],
        rows=rows,
        global_batch=settings.global_batch,
        device_batch=settings.device_batch,
        gpus=settings.gpus,
        group=getattr(settings, "group", 1),
        steps=settings.steps,
        parallel=settings.parallel,
        precision=settings.precision,
        nodes=nodes,
        gpus_here=gpus_here,
        asked=asked,
        dry=dry,
        preset=preset,
        memory=memory,
        arguments=arguments,
    )
    return dataclasses.replace(made, advice=what_to_lower(settings))


def accumulation(completions: int, device_batch: int, processes: int) -> int:
    """Return how many batches each process adds up for a step of so many completions (SFT: samples).

    Raises SettingsError, with the device batches that would do, where they do not add up to it.
    """
    if completions % (device_batch * processes) == 0:
        return completions // (device_batch * processes)
    if completions % processes:
        raise SettingsError(
            f"a step of {completions:,} cannot be divided among {processes} processes; choose a --set global_batch=... "
            "or --nproc that divides evenly"
        )
    share = completions // processes
    fitting = [size for size in range(1, min(share, 2 * device_batch) + 1) if share % size == 0]
    raise SettingsError(
        f"a step of {completions:,} cannot be made of {processes} processes with {device_batch} each; choose "
        f"--set device_batch= one of {', '.join(map(str, fitting))}"
    )


def way_of(parallel: Parallel, processes: int) -> Parallel:
    """Return how processes share the work: alone not at all, together at least as copies."""
    if processes == 1:
        return "none"
    return "ddp" if parallel == "none" else parallel


def lacking_here(needed: int, gpus: Sequence[int], *, asked: bool, preset: str, way: Parallel) -> tuple[str, ...]:
    """Return what this machine lacks for so many processes, and what to try; nothing where it lacks nothing."""
    found = []
    on_cpus = asked and not gpus and way == "ddp"
    if needed > len(gpus) and needed > 1 and not on_cpus:
        has = {0: "no GPU", 1: "1 GPU"}.get(len(gpus), f"{len(gpus)} GPUs")
        if asked:
            found.append(f"--nproc asks for {needed} GPUs, and this machine has {has}; lower it or add machines")
        else:
            found.append(
                f"the preset {preset} is for {needed} GPUs, and this machine has {has}; give --nproc "
                f"{max(1, len(gpus))} (batches add up to the same step; see its memory with --dry-run), --preset lora, "
                "or more machines with --nnodes"
            )
    if way == "zero2" and find_spec("deepspeed") is None:
        found.append(
            "parallel zero2 needs DeepSpeed, which is not installed; pip install deepspeed, or --set parallel=fsdp"
        )
    return tuple(found)


def command(
    way: Parallel, processes: int, nodes: Nodes, precision: Precision, arguments: Sequence[str], *, on_gpus: bool
) -> tuple[str, ...]:
    """Return the `accelerate launch` command that starts this machine's processes."""
    here = Path(sys.executable)
    words = [
        str(here.with_name("accelerate")),
        "launch",
        *("--config_file", str(CONFIGURATIONS / f"{way}.yaml")),
        *("--num_processes", str(processes)),
        *("--num_machines", str(nodes.count)),
        *("--machine_rank", str(nodes.rank)),
        *("--mixed_precision", "bf16" if precision == "bf16" and on_gpus else "no"),
    ]
    if nodes.host is None:
        words += ["--main_process_port", "0"]  # any free one: two runs on a machine do not meet
    else:
        words += ["--main_process_ip", nodes.host, "--main_process_port", str(nodes.port)]
    return (*words, str(here.with_name("cxr")), *arguments)


def gpus_here() -> tuple[int, ...]:
    """Return the memory, in bytes, of each GPU that this process may use."""
    import torch  # noqa: PLC0415 - the plan's arithmetic needs none of it

    return tuple(torch.cuda.get_device_properties(index).total_memory for index in range(torch.cuda.device_count()))


def is_launched() -> bool:
    """Return whether this process is one of several that `accelerate launch` started."""
    return "LOCAL_RANK" in os.environ


def is_first() -> bool:
    """Return whether this process is the one that speaks and writes: the only one, or the first of those launched."""
    return os.environ.get("RANK", "0") == "0"


def launch(plan: LaunchPlan) -> int:
    """Run the plan's command to its end and give its exit code.

    An interrupt reaches the processes by itself and is waited for; a request to end (SIGTERM) is passed on.
    """
    if plan.command is None:
        raise ValueError("a plan of one process has no command; train in this process")
    with subprocess.Popen(plan.command) as process:  # noqa: S603 - our own command
        # A scheduler's end of time reaches the processes, too: none goes on without the one that started it.
        before = signal.signal(signal.SIGTERM, lambda _number, _frame: process.terminate())
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
    if code:
        say(f"the training's processes ended with {code}; the first message above says why, what follows it is torch's")
    return code
