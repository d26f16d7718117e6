"""The formats by name. A new one is a file with an `ExportFormat`, and a line here (CONTRIBUTING.md, "An export").

Nothing of a format is loaded before it is wanted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cxr.miner.kit.doors import Door

if TYPE_CHECKING:
    from cxr.miner.benchmark.settings import Mode
    from cxr.miner.export.rows import Benchmark
    from cxr.miner.export.settings import ExportSettings

Writer = Callable[["Benchmark", str, Path, "ExportSettings"], list[tuple[Path, int]]]


@dataclass(frozen=True)
class ExportFormat:
    """What a format says of itself; nobody else knows anything about it."""

    write: Writer
    """Writes a split of a benchmark into a folder, and returns the files with their rows."""
    modes: "tuple[Mode, ...] | None" = None
    """What it is made of, None: of all; samples of other modes are not looked at."""
    pixels: bool = False
    """It can hold the images themselves, not only their paths."""
    stage: str | None = None
    """The stage of `cxr train` that reads it; its rows are then prompts, which a model can be asked."""
    describe: "Callable[[Benchmark, Path, Mapping[str, str], ExportSettings], None] | None" = None
    """Writes what stands beside the rows, such as a card; is told every file's SHA-256 by its name."""


FORMATS: Door[ExportFormat] = Door(
    "format",
    {
        "sft": "cxr.miner.export.sft:FORMAT",
        "grpo": "cxr.miner.export.grpo:FORMAT",
        "hf": "cxr.miner.export.hf:FORMAT",
        "verl": "cxr.miner.export.verl:FORMAT",
        "swift": "cxr.miner.export.swift:FORMAT",
        "llamafactory": "cxr.miner.export.llamafactory:FORMAT",
        "jsonl": "cxr.miner.export.jsonl:FORMAT",
        "radrbench": "cxr.miner.export.radrbench:FORMAT",
        "label-studio": "cxr.miner.export.label_studio:FORMAT",
    },
)


def with_pixels() -> list[str]:
    """Return the names of those of ours that can hold images."""
    return [name for name in FORMATS.names if FORMATS.open(name).pixels]
