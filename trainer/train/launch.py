"""What a training will take before it starts: batch, steps, memory, and the exact command that starts its processes.

`plan` only computes; `launch` runs the plan's command. Processes are started by `accelerate launch` with one of the
files in `trainer/accelerate/`; each of them runs the same `cxr train` command line, and knows from its environment
that it is one of them.
"""

import math
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cxr.miner.kit.console import say
from cxr.miner.kit.errors import SettingsError
from cxr.trainer.train.memory import GB, Memory, what_to_lower
from cxr.trainer.train.settings import GRPOSettings, Parallel, TrainSettings

CONFIGURATIONS = Path(__file__).parent / "accelerate"
PORT = 29500
_RENDEZVOUS = "PROCESSES_RENDEZVOUS"  # not CXR_..., which are settings


@dataclass(frozen=True)
class Nodes:
    """Machines that train together, and which of them this is."""

    count: int = 1
    rank: int = 0
    host: str | None = None
    port: int = PORT


@dataclass(frozen=True)
class LaunchPlan:
    """How a training will run on so many rows (GRPO: prompts, each answered `group` times)."""

    settings: TrainSettings
    rows: int
    nodes: Nodes
    accumulation: int
    memory: Memory | None
    gpu_bytes: int | None
    """Of the smallest GPU of this machine."""
    command: tuple[str, ...] | None
    """What starts the processes; None where this process trains alone."""
    lacking: tuple[str, ...] = ()
    """What this machine lacks to run the plan, each as a sentence; a dry run says it, a run stops at the first."""
    unusable: Mapping[str, int] = field(default_factory=dict)
    """Samples with an image that this machine cannot use, by reason; a run leaves them out."""

    @property
    def steps(self) -> int:
        """Return how many steps the run has."""
        return self.settings.steps_over(self.rows)

    @property
    def steps_per_epoch(self) -> int:
        """Return how many steps go through the rows once."""
        # SFT's last batch of an epoch may be small; GRPO leaves prompts out that do not fill one.
        whole = self.rows / self.settings.global_batch
        return math.floor(whole) if isinstance(self.settings, GRPOSettings) else math.ceil(whole)

    @property
    def fits(self) -> bool | None:
        """Return whether the estimate is below the memory of the smallest GPU; None where one of them is unknown."""
        return None if self.memory is None or self.gpu_bytes is None else self.memory.total <= self.gpu_bytes

    def described(self) -> list[tuple[str, str]]:
        """Return the plan as rows of a table: what, and how much of it."""
        settings, processes = self.settings, self.settings.gpus
        group = settings.group if isinstance(settings, GRPOSettings) else None
        unit, share = ("samples", "") if group is None else (f"prompts x {group} completions", f" / {group}")
        each = f" ({processes // self.nodes.count} on each of {self.nodes.count} machines)"
        where = f"{processes}{each if self.nodes.count > 1 else ''}, {settings.way()}"
        made_of = f"{settings.device_batch} a device x {self.accumulation} accumulated x {processes} processes{share}"
        rows = [
            ("processes", where if processes > 1 else "1"),
            ("global batch", f"{settings.global_batch:,} {unit} = {made_of}"),
            ("rows", f"{self.rows:,}"),
            *([("of these without a usable image", self._unusable())] if self.unusable else []),
            ("steps", f"{self.steps:,} ({self.steps / self.steps_per_epoch:.2f} epochs of {self.steps_per_epoch:,})"),
        ]
        if self.memory is not None:
            parts = ", ".join(f"{name} {size:.1f}" for name, size in self.memory.parts())
            has = "" if self.gpu_bytes is None else f" of {self.gpu_bytes / GB:.0f}"
            rows.append(("memory a GPU, estimated", f"{self.memory.total / GB:.1f}{has} GB: {parts}"))
        if self.fits is False:  # an estimate stops no run
            rows.append(("which is too much", what_to_lower(settings)))
        return rows

    def _unusable(self) -> str:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.unusable.items()))
        return f"{sum(self.unusable.values()):,} samples: {reasons}"

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
    settings: TrainSettings,
    rows: int,
    *,
    unusable: Mapping[str, int] | None = None,
    nodes: Nodes = Nodes(),
    gpus_here: Sequence[int] = (),
    asked: bool = False,
    dry: bool = False,
    preset: str = "",
    memory: Memory | None = None,
    arguments: Sequence[str] = (),
) -> LaunchPlan:
    """Return the plan of a run on the settings' GPUs, those of all machines.

    `gpus_here` are the bytes of this machine's GPUs; `asked` says that the user named the number of processes, which
    may then run on CPUs where there is no GPU. `arguments` are those of the `cxr` command line. A `dry` plan may be
    one for other machines: what this one lacks stands in `lacking`.
    Raises SettingsError where the processes, the batch or the rows do not fit together, or the machine does not.
    """
    gpus, batch = settings.gpus, settings.global_batch
    if gpus % nodes.count:
        raise SettingsError(f"{gpus} GPUs cannot be divided among {nodes.count} machines; give --nproc GPUs of one")
    lacking = lacking_here(gpus // nodes.count, gpus_here, asked=asked, preset=preset, way=settings.way())
    lacking = (*lacking, *lacking_rollouts(settings))
    if lacking and not dry:
        raise SettingsError(lacking[0])
    accumulated = accumulation(settings, gpus)
    if rows < batch:
        raise SettingsError(f"{rows:,} samples do not fill one batch of {batch:,}; lower --set global_batch=...")
    on_gpus = not asked or bool(gpus_here)
    return LaunchPlan(
        settings,
        rows,
        nodes,
        accumulated,
        memory,
        gpu_bytes=min(gpus_here) if gpus_here else None,
        command=None if gpus == 1 else command(settings, nodes, arguments, on_gpus=on_gpus),
        lacking=lacking,
        unusable=unusable or {},
    )


def accumulation(settings: TrainSettings, processes: int) -> int:
    """Return how many batches each process adds up for a step.

    Raises SettingsError, with the device batches that would do, where they do not add up to it.
    """
    completions, device_batch = settings.completions, settings.device_batch
    share, rest = divmod(completions, processes)
    if rest:
        raise SettingsError(
            f"a step of {completions:,} cannot be divided among {processes} processes; choose a --set global_batch=... "
            "or --nproc that divides evenly"
        )
    if share % device_batch:
        fitting = [size for size in range(1, min(share, 2 * device_batch) + 1) if share % size == 0]
        raise SettingsError(
            f"a step of {completions:,} cannot be made of {processes} processes with {device_batch} each; choose "
            f"--set device_batch= one of {', '.join(map(str, fitting))}"
        )
    return share // device_batch


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


def lacking_rollouts(settings: TrainSettings) -> tuple[str, ...]:
    """Return, as a sentence, that vLLM is asked for and not installed; nothing where it is not asked for."""
    if not isinstance(settings, GRPOSettings) or settings.rollouts == "transformers" or find_spec("vllm") is not None:
        return ()
    sentence = f"rollouts={settings.rollouts} needs vLLM, which is not installed; pip install vllm, or leave it out"
    return (f"{sentence} (--set rollouts=transformers)",)


def command(settings: TrainSettings, nodes: Nodes, arguments: Sequence[str], *, on_gpus: bool) -> tuple[str, ...]:
    """Return the `accelerate launch` command that starts this machine's processes."""
    here = Path(sys.executable)
    words = [
        str(here.with_name("accelerate")),
        "launch",
        *("--config_file", str(CONFIGURATIONS / f"{settings.way()}.yaml")),
        *("--num_processes", str(settings.gpus)),
        *("--num_machines", str(nodes.count)),
        *("--machine_rank", str(nodes.rank)),
        *("--mixed_precision", "bf16" if settings.precision == "bf16" and on_gpus else "no"),
    ]
    if nodes.host is None:
        # Processes of one machine meet in a file (see `meeting_place`), and none asks what the machine is called.
        words += ["--main_process_port", "0", "--rdzv_backend", "c10d", "--rdzv_conf", "store_type=file"]
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


def meeting_place(folder: str) -> dict[str, str]:
    """Return the environment in which the processes of one machine meet in files of a folder.

    Where they meet at a port, torch asks the name server what the other end of each connection is called.
    """
    return {
        _RENDEZVOUS: str(Path(folder, "processes")),
        "PET_RDZV_ENDPOINT": str(Path(folder, "launcher")),
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
    }


def rendezvous() -> dict[str, Any]:
    """Return what this process tells `init_process_group` of where the others are; nothing where torch knows."""
    place = os.environ.get(_RENDEZVOUS)
    if place is None or not is_launched():
        return {}
    rank, processes = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    return {"init_method": Path(place).as_uri(), "rank": rank, "world_size": processes}


def launch(plan: LaunchPlan) -> int:
    """Run the plan's command to its end and give its exit code.

    An interrupt reaches the processes by itself and is waited for; a request to end (SIGTERM) is passed on.
    """
    if plan.command is None:
        raise ValueError("a plan of one process has no command; train in this process")
    started: list[subprocess.Popen[bytes]] = []
    ended = threading.Event()

    def end(_number: int, _frame: object) -> None:
        ended.set()
        for process in started:
            process.terminate()

    # A scheduler's end of time reaches the processes, too: none goes on without the one that started it, and none
    # starts after that end.
    before = signal.signal(signal.SIGTERM, end)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="cxr-") as folder,
            subprocess.Popen(  # noqa: S603 - our own command
                plan.command, env=os.environ | (meeting_place(folder) if plan.nodes.count == 1 else {})
            ) as process,
        ):
            started.append(process)
            if ended.is_set():
                process.terminate()
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
