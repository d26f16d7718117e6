"""What a run was made by and when: versions of packages, the commit of the working tree, the time."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

STORES = ("cxr", "duckdb", "polars", "pydantic", "instructor")
"""Packages whose behaviour shows in the rows of a store."""
FILES = ("cxr", "duckdb", "pyarrow")
"""Packages that decide the bytes of a benchmark's files."""
MODELS = (
    "python",
    "cxr",
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "peft",
    "datasets",
    "deepspeed",
    "vllm",
    "flash-attn",
)
"""Packages that training and prediction rest on."""
_GIT_SECONDS = 5


def utc_now() -> datetime:
    """Return the time in UTC as a store keeps it, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def time_stamp() -> str:
    """Return the time in UTC as files beside a run keep it, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed; `python` is Python's own."""
    found = {}
    for name in packages:
        try:
            found[name] = platform.python_version() if name == "python" else importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_commit(folder: Path) -> str | None:
    """Return the commit of the working tree around a folder, with `-dirty` if it was changed; None outside of one."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
