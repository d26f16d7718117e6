"""What a model runs on: processor, memory, GPUs."""

import os
import platform
from pathlib import Path
from typing import Any

from cxr.miner.kit.parallel import processors


def hardware() -> dict[str, Any]:
    """Return the processor's model, usable cores, memory in bytes, and every GPU with its memory in bytes."""
    import torch  # noqa: PLC0415 - loads in seconds, and only a run of a model asks

    gpus = [
        {"name": properties.name, "memory_bytes": properties.total_memory}
        for properties in map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    ]
    return {
        "cpu": _cpu_model(),
        "cores": processors(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": gpus,
        "cuda": torch.version.cuda,
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
